import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { label, markLanguage } from "../../web/language.js";
import { Words } from "../../web/words.js";
import { Element } from "./paper.mjs";

const WEB = new URL("../../web/", import.meta.url);
const PAGES = ["index.html", "kiosk.html"];
const CONSOLE = ["console/frame.js", "console/sign_in.js"];

const read = (name) => readFileSync(new URL(name, WEB), "utf8");

function mark(...texts) {
  const element = new Element("p");
  for (const text of texts) markLanguage(element, text);
  return element.getAttribute("lang");
}

test("what was said is marked with its language, as far as letters tell one", () => {
  assert.equal(mark("七天之内可以退。"), "zh");
  assert.equal(mark("我们有 iPhone 15 Pro Max"), "zh");
  assert.equal(mark("You can return it within 7 days."), "en");
  for (const text of ["", "9:00–18:00", "مرحبا"]) assert.equal(mark(text), null, text);
});

test("a text that grows or is taken back is marked anew", () => {
  assert.equal(mark("OK", "OK，七天"), "zh");
  assert.equal(mark("七天", ""), null);
});

test("the button to the other language is marked as in it", () => {
  for (const name of PAGES) {
    assert.match(read(name), /id="language"[^>]* data-words-lang="languageLabelCode"/);
  }
  for (const name of CONSOLE) assert.match(read(name), / lang: words.say\("languageLabelCode"\)/);
  const button = new Element("button");
  button.dataset = { wordsLang: "languageLabelCode" };
  const root = { querySelectorAll: (wanted) => (wanted === "[data-words-lang]" ? [button] : []) };
  for (const [language, code] of [["zh", "en"], ["en", "zh-CN"]]) {
    const words = new Words(language);
    label(root, words);
    assert.equal(button.getAttribute("lang"), code);
    assert.equal(new Words(words.other).say("languageCode"), code);
  }
});
