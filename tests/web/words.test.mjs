import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

import { LANGUAGES, Words, chooseLanguage } from "../../web/words.js";
import { SPEECH_WORDS } from "../../web/speech_words.js";
import { STAFF_WORDS } from "../../web/staff_words.js";
import { BOXES } from "../../web/words_boxes.js";

const WEB = new URL("../../web/", import.meta.url);
const INDEX = readFileSync(new URL("index.html", WEB), "utf8");
const TABLES = [LANGUAGES, BOXES, SPEECH_WORDS, STAFF_WORDS];
const KEYS = TABLES.flatMap(({ zh }) => Object.keys(zh));

function listPlaceholders(text) {
  return [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
}

test("both languages have the same keys", () => {
  for (const { zh, en } of TABLES) assert.deepEqual(Object.keys(en), Object.keys(zh));
  assert.equal(new Set(KEYS).size, KEYS.length);
});

test("both languages have the same placeholders", () => {
  for (const { zh, en } of TABLES) {
    for (const key of Object.keys(zh)) {
      assert.deepEqual(listPlaceholders(en[key]), listPlaceholders(zh[key]), key);
    }
  }
});

test("every key that the page names exists", () => {
  const built = ["frame.js", "about.js", "past_list.js", "staff.js", "rating.js"]
    .map((name) => readFileSync(new URL(name, WEB), "utf8")).join();
  const named = [
    ...INDEX.matchAll(/data-words(?:-\w+)?="(\w+)"/g),
    ...built.matchAll(/(?:\bwords|\bname|"data-words(?:-\w+)?"): "(\w+)"/g),
  ].map(([, key]) => key);
  assert.ok(named.length > 30);
  for (const key of named) assert.ok(KEYS.includes(key), key);
});

test("every text is used somewhere", () => {
  const scripts = readdirSync(WEB).filter((name) => /^(?!words).*\.js$/.test(name));
  const page = INDEX + scripts.map((name) => readFileSync(new URL(name, WEB), "utf8")).join();
  for (const key of KEYS) assert.ok(page.includes(`"${key}"`), key);
});

test("the kept language wins over the browser's, and what we do not speak becomes English", () => {
  assert.equal(chooseLanguage("en", ["zh-CN"]), "en");
  assert.equal(chooseLanguage(null, ["fr", "zh-TW", "en"]), "zh");
  assert.equal(chooseLanguage("toString", ["fr-FR"]), "en");
});

test("values stand in their places", () => {
  const text = new Words("zh").say("waitQueueSeconds", { position: 2, seconds: 4 });
  assert.equal(text, "前面还有 2 位，大约 4 秒");
});

test("texts that are laid over the page's own do not hide them", () => {
  const words = new Words("en").with(BOXES);
  assert.equal(words.say("pastMore", { title: "x" }), "Rename, save or delete “x”");
  assert.equal(words.say("send"), "Send");
});
