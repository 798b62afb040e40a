import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { SETTINGS } from "../../web/console/settings_words.js";
import { CONSOLE_WORDS } from "../../web/console/words.js";

const CONSOLE = new URL("../../web/console/", import.meta.url);
const SCRIPTS = ["settings.js", "settings_files.js", "settings_receivers.js", "settings_access.js"]
  .map((name) => readFileSync(new URL(name, CONSOLE), "utf8")).join();
// Put together from a value of the server's.
const MADE = /^(kind|hint|check|receiver|event|delivery|style|mail)_/;

function listPlaceholders(text) {
  return [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
}

test("both languages have the same keys and placeholders, and each is used", () => {
  const { zh, en } = SETTINGS;
  assert.deepEqual(Object.keys(en), Object.keys(zh));
  for (const key of Object.keys(zh)) {
    assert.deepEqual(listPlaceholders(en[key]), listPlaceholders(zh[key]), key);
    if (!MADE.test(key)) assert.ok(SCRIPTS.includes(`"${key}"`), `${key} is used nowhere`);
  }
});

test("every key that the tab names is there", () => {
  const known = { ...CONSOLE_WORDS.en, ...SETTINGS.en };
  for (const [, key] of SCRIPTS.matchAll(/\bsay\("([\w.]+)"/g)) assert.ok(Object.hasOwn(known, key), key);
  for (const kind of ["rules", "tools", "questions", "document"]) {
    assert.ok(known[`kind_${kind}`] && known[`hint_${kind}`], kind);
  }
  for (const state of ["none", "refused", "running", "done", "failed"]) assert.ok(known[`check_${state}`]);
  for (const state of ["pending", "delivered", "failed"]) assert.ok(known[`delivery_${state}`]);
  for (const role of ["owner", "operator", "viewer"]) assert.ok(known[`role_${role}`], role);
});

test("no text of this tab hides one of the console's", () => {
  for (const key of Object.keys(SETTINGS.en)) assert.ok(!Object.hasOwn(CONSOLE_WORDS.en, key), key);
});
