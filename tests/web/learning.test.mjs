import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { askPatiently } from "../../web/console/learning_patience.js";
import { showPreview } from "../../web/console/learning_preview.js";
import { LEARNING } from "../../web/console/learning_words.js";
import { lay } from "./paper.mjs";

const FOLDER = new URL("../../web/console/", import.meta.url);
const PARTS = ["learning.js", "learning_draft.js", "learning_preview.js", "learning_published.js"];

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
  const named = new Set([...code.matchAll(/"((?:learn|reason|rung|kind)[A-Z]\w*)"/g)].map(([, key]) => key));
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
