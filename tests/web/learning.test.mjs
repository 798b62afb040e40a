import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { askPatiently } from "../../web/console/learning_patience.js";
import { describeEntryRefusal } from "../../web/console/learning_refusals.js";
import { CONSOLE_WORDS } from "../../web/console/words.js";
import { showPreview } from "../../web/console/learning_preview.js";
import { LEARNING } from "../../web/console/learning_words.js";
import { lay } from "./paper.mjs";

const FOLDER = new URL("../../web/console/", import.meta.url);
const PARTS = ["learning.js", "learning_draft.js", "learning_preview.js", "learning_published.js", "learning_refusals.js"];

function listPlaceholders(text) {
  return [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
}

test("the tab for misses has every text in both languages with the same placeholders", () => {
  const { zh, en } = LEARNING;
  assert.deepEqual(Object.keys(zh), Object.keys(en));
  for (const key of Object.keys(zh)) {
    assert.deepEqual(listPlaceholders(zh[key]), listPlaceholders(en[key]), key);
  }
});

test("every text that the tab names exists, and every text is named", () => {
  const code = PARTS.map((name) => readFileSync(new URL(name, FOLDER), "utf8")).join();
  const named = new Set([...code.matchAll(/"((?:learn|reason|rung|kind|refused)[A-Z]\w*)"/g)].map(([, key]) => key));
  for (const key of named) assert.ok(Object.hasOwn(LEARNING.en, key), key);
  const composed = Object.keys(LEARNING.en).filter((key) => /^(?:rung|kind)/.test(key));
  for (const key of Object.keys(LEARNING.en)) assert.ok(named.has(key) || composed.includes(key), key);
});

test("a trial says how many wordings were replayed, only looked at, and left", () => {
  lay();
  const words = { say: (key, values = {}) => `${key}${Object.values(values).map((one) => ` ${one}`).join("")}.` };
  const preview = {
    faults: [], warnings: [], collisions: [], changes: [], asked: 9, answered_before: 1, answered_after: 3,
    wordings: 700, replayed: 610, passed: 80, is_running: true, is_cut: false,
  };
  const draw = (more) => showPreview({ ...preview, ...more }, words).map((one) => one.drawn).join("");
  assert.match(draw({}), /learnTried 9 1 3 \+2\. learnReplayed 700 610 80\.</);
  assert.match(draw({ is_running: false }), /learnReplayed 700 610 80\. learnLeft 10\.</);
  assert.match(draw({ is_running: false, passed: 90, is_cut: true }), /learnReplayed 700 610 90\. learnTriedCut\.</);
});

test("a call that took too long is asked again, and an answer of the server ends it", async () => {
  let calls = 0;
  const late = () => {
    calls += 1;
    if (calls < 3) throw Object.assign(new Error("late"), { code: "unreached" });
    return "there";
  };
  assert.equal(await askPatiently(late), "there");
  const refused = () => {
    calls += 1;
    throw Object.assign(new Error("no"), { code: "publish_refused" });
  };
  calls = 0;
  await assert.rejects(askPatiently(refused), /no/);
  assert.equal(calls, 1);
});

const say = (language) => ({
  language,
  say: (key, values = {}) => ({ ...CONSOLE_WORDS[language], ...LEARNING[language] })[key]
    .replace(/\{(\w+)\}/g, (_, name) => String(values[name])),
});

test("every refusal of the server is told in the page's language", () => {
  const sources = ["../../appliance/dialogue/learning.py", "../../appliance/dialogue/entry_drafts.py"]
    .map((name) => readFileSync(new URL(name, import.meta.url), "utf8")).join();
  const raised = [...sources.matchAll(/raise PublishRefused\((?:[^()"]|\([^()]*\)|f?"[^"]*")*?, "(\w+)"/g)].map(([, reason]) => reason);
  assert.equal(raised.length, [...sources.matchAll(/raise PublishRefused\(/g)].length);
  const told = { fault: "F", number: 7, file: "faq.toml", why: "W" };
  const refusals = [
    ...raised.map((reason) => ({ code: "publish_refused", detail: { reason, ...told } })),
    ...["question", "answer", "phrasings", "phrasings.3"].map((field) => ({ code: "invalid_field", detail: { field } })),
    ...["access_denied", "restarting", "store_unavailable"].map((code) => ({ code })),
  ];
  for (const refusal of refusals) {
    const error = { message: "Only English.", ...refusal };
    const texts = ["zh", "en"].map((language) => describeEntryRefusal(say(language), error));
    assert.notEqual(texts[0], texts[1]);
    for (const text of texts) assert.ok(!/Only English|undefined|\{/.test(text), `${JSON.stringify(refusal)}: ${text}`);
    assert.match(texts[0], /\p{Script=Han}/u);
  }
  const strange = { code: "new_code", message: "Only English." };
  assert.match(describeEntryRefusal(say("zh"), strange), /Only English/);
});
