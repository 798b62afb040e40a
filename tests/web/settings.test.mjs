import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Checking } from "../../web/console/settings_check.js";
import { HISTORY } from "../../web/console/settings_history_words.js";
import { TOOLS } from "../../web/console/settings_tools_words.js";
import { SETTINGS as OWN } from "../../web/console/settings_words.js";
import { CONSOLE_WORDS } from "../../web/console/words.js";
import { Element, lay } from "./paper.mjs";

const SETTINGS = {
  zh: { ...OWN.zh, ...TOOLS.zh, ...HISTORY.zh }, en: { ...OWN.en, ...TOOLS.en, ...HISTORY.en },
};
const CONSOLE = new URL("../../web/console/", import.meta.url);
const SCRIPTS = ["settings.js", "settings_check.js", "settings_files.js", "settings_receivers.js", "settings_access.js", "settings_tools.js", "settings_history.js"]
  .map((name) => readFileSync(new URL(name, CONSOLE), "utf8")).join();
const [DRAFTED, RELOADED] = ["draft_settings.py", "reloading.py"]
  .map((name) => readFileSync(new URL(`../../appliance/${name}`, CONSOLE), "utf-8"));
// Put together from a value of the server's.
const MADE = /^(about|setting|change|instead|kind|hint|check|receiver|event|delivery|style|mail)_/;

function listPlaceholders(text) {
  return [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
}

test("both languages have the same keys and placeholders, and each is used", () => {
  const { zh, en } = SETTINGS;
  assert.deepEqual(Object.keys(en), Object.keys(zh));
  const every = [OWN, TOOLS, HISTORY].flatMap((texts) => Object.keys(texts.en));
  assert.equal(new Set(every).size, every.length);
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
  const { OFFERED } = /OFFERED = \((?<OFFERED>[^)]*)\)/.exec(DRAFTED).groups;
  const live = /LIVE = \(([^)]*)\)/.exec(RELOADED)[1];
  assert.ok(OFFERED.includes("PERSONA") && OFFERED.includes("LIVE"));
  for (const [, name] of `${live}"system_prompt"`.matchAll(/"(\w+)"/g)) {
    assert.ok(known[`setting_${name}`] && known[`about_${name}`], name);
  }
  for (const state of ["none", "refused", "running", "done", "failed"]) assert.ok(known[`check_${state}`]);
  for (const state of ["pending", "delivered", "failed"]) assert.ok(known[`delivery_${state}`]);
  for (const role of ["owner", "operator", "viewer"]) assert.ok(known[`role_${role}`], role);
});

test("each kind of change has words, and each that stays says what to do instead", () => {
  const undone = ["account_changed", "account_removed", "key_removed", "webhook_removed", "replies_changed"];
  for (const key of Object.keys(HISTORY.en).filter((one) => one.startsWith("change_"))) {
    const name = key.replace("change_", "");
    assert.equal(Object.hasOwn(HISTORY.en, `instead_${name}`), !undone.includes(name), name);
  }
});

test("a draft that somebody else checked meanwhile is not published by this page's press", async () => {
  lay();
  const asked = [];
  const own = { state: "running", name: "faq.csv", hash: "a", note: "back to 1", faults: [], warnings: [], added: [], removed: [] };
  const others = { ...own, state: "done", hash: "b", broken: [], mended: [], loss: null, replay: { wordings: 0 } };
  const told = [];
  const server = { get: async () => others, post: async (...call) => { asked.push(call); return { number: 2 }; } };
  const words = { say: (key) => key };
  const lost = new Promise((resolve) => {
    const tell = (text) => { told.push(text); if (text === "checkLost") resolve(); };
    new Checking({ server, words, tell }, () => told.push("published")).begin(new Element("button"), async () => own);
  });
  await lost;
  assert.deepEqual(asked, []);
  const done = { ...others, hash: "a" };
  for (const [check, count] of [[{ ...done, broken: [{ question: "q", before: "b", after: "a" }] }, 0], [{ ...done, note: "" }, 0], [done, 1]]) {
    asked.length = 0;
    await new Checking({ server, words, tell: () => {} }, () => {}).begin(new Element("button"), async () => check);
    await new Promise((resolve) => { setImmediate(resolve); });
    assert.equal(asked.length, count);
    if (count) assert.deepEqual(asked[0][1], { name: "faq.csv", hash: "a", accept: false });
  }
});

test("no text of this tab hides one of the console's", () => {
  for (const key of Object.keys(SETTINGS.en)) assert.ok(!Object.hasOwn(CONSOLE_WORDS.en, key), key);
});
