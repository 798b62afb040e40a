/** The console's list, its conversation and its words, without a page. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { describeWait } from "../../web/console/parts.js";
import { ANY, Rows } from "../../web/console/rows.js";
import { EMPTY, open, take } from "../../web/console/thread_state.js";
import { CONSOLE_WORDS } from "../../web/console/words.js";
import { LANGUAGES } from "../../web/words.js";

const row = (id, state, more = {}) => ({ id, state, since_ms: 0, last_at_ms: 0, rung: "faq", language: "zh", assigned_to: "", ...more });
const ids = (rows, filter = ANY, account = "") => rows.list(filter, account).map(({ id }) => id).join("");

function listPlaceholders(text) {
  return [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
}

test("both languages of the console have the same keys and placeholders, and hide none of the page's", () => {
  const { zh, en } = CONSOLE_WORDS;
  assert.deepEqual(Object.keys(en), Object.keys(zh));
  for (const key of Object.keys(zh)) {
    assert.deepEqual(listPlaceholders(en[key]), listPlaceholders(zh[key]), key);
  }
  const own = Object.keys(LANGUAGES.zh).filter((key) => Object.hasOwn(zh, key));
  assert.deepEqual(own, []);
});

test("who waits stands first, the longest waiting on top, then who talks, then the latest", () => {
  const rows = new Rows();
  rows.replace([
    row("a", "bot", { last_at_ms: 9 }), row("b", "waiting", { since_ms: 5 }), row("c", "closed"),
    row("d", "waiting", { since_ms: 2 }), row("e", "human"), row("f", "bot", { last_at_ms: 10 }),
  ]);
  assert.equal(ids(rows), "dbefac");
});

test("a row that begins to wait is new once, and one that is told again is not", () => {
  const rows = new Rows();
  rows.replace([row("a", "bot")]);
  assert.equal(rows.put(row("a", "waiting")), true);
  assert.equal(rows.put(row("a", "waiting", { last_text: "x" })), false);
  assert.equal(rows.put(row("b", "waiting")), true);
  rows.add([row("a", "bot"), row("z", "closed")]);
  assert.equal(rows.get("a").state, "waiting");
  rows.remove("b");
  assert.equal(ids(rows), "az");
});

test("what was told since a list was asked for is newer than the list", () => {
  const rows = new Rows();
  rows.replace([row("a", "bot"), row("b", "bot"), row("c", "bot")]);
  const { told } = rows;
  rows.put(row("a", "waiting"));
  rows.put(row("d", "human"));
  rows.remove("b");
  rows.replace([row("a", "bot"), row("b", "bot"), row("e", "bot")], told);
  assert.equal(ids(rows), "ade");
  assert.equal(rows.get("a").state, "waiting");
  rows.add([row("b", "bot"), row("f", "closed")], told);
  assert.equal(ids(rows), "adef");
  rows.replace([row("a", "bot"), row("b", "bot")], rows.told);
  assert.deepEqual([ids(rows), rows.get("a").state], ["ab", "bot"]);
});

test("a filter lets through what it names", () => {
  const rows = new Rows();
  rows.replace([row("a", "human", { assigned_to: "li", rung: "model" }), row("b", "bot", { language: "en" })]);
  assert.equal(ids(rows, { ...ANY, state: "human" }), "a");
  assert.equal(ids(rows, { ...ANY, rung: "faq" }), "b");
  assert.equal(ids(rows, { ...ANY, language: "zh" }), "a");
  assert.equal(ids(rows, { ...ANY, isMine: true }, "li"), "a");
});

const ANSWER = {
  conversation: row("a", "bot"), last_number: 4, notes: [], csat: null,
  messages: [{ role: "customer", text: "问", at_ms: 10, run_id: "r1" },
    { role: "assistant", text: "答", at_ms: 12, run_id: "r1", source: "faq", verdicts: [{ rule: "x", action: "pass" }] }],
  events: [{ state: "waiting", reason: "customer", at_ms: 11, operator: "" }],
};
const said = (state) => state.messages.map(({ role, text }) => `${role[0]}:${text}`).join(" ");
const EVENTS = [
  { type: "message", number: 5, data: { run_id: "r2", role: "customer", text: "再问" } },
  { type: "started", number: 6, data: { run_id: "r2", source: "model" } },
  { type: "token", number: 7, data: { run_id: "r2", text: "再😀" } },
  { type: "message", number: 8, data: { run_id: "r2", role: "operator", text: "我来", name: "li" } },
  { type: "token", number: 9, data: { run_id: "r2", text: "答错" } },
  { type: "rewind", number: 10, data: { run_id: "r2", after: 9, chars: 3 } },
  { type: "handoff", number: 11, data: { run_id: "r2", state: "human", name: "li" } },
  { type: "handoff", number: null, data: { run_id: "", state: "waiting", place: 2 } },
  { type: "done", number: 12, data: { run_id: "r2", source: "model", finish_reason: "handed_over" } },
];

test("a conversation opens with its changes of hands in their places", () => {
  assert.equal(said(open(EMPTY, ANSWER)), "c:问 h:waiting a:答");
});

test("events give the same wherever they are cut and told again", () => {
  const whole = EVENTS.reduce(take, open(EMPTY, ANSWER));
  assert.equal(said(whole), "c:问 h:waiting a:答 c:再问 o:我来 a:再😀答 h:human");
  assert.equal(whole.messages.find(({ role }) => role === "operator").operator, "li");
  for (let cut = 0; cut <= EVENTS.length; cut += 1) {
    const part = EVENTS.slice(0, cut).reduce(take, open(EMPTY, ANSWER));
    assert.equal(said(EVENTS.reduce(take, part)), said(whole));
    assert.equal(said(EVENTS.slice(cut).reduce(take, open(part, ANSWER))), said(whole));
  }
});

test("a held answer grows until it is decided on", () => {
  const draft = (text, isWhole) => ({ type: "draft", number: null, data: { run_id: "r3", text, source: "model", is_whole: isWhole } });
  const held = [draft("一", false), draft("一二", true)].reduce(take, EMPTY);
  assert.equal(held.draft.text, "一二");
  assert.equal(take(held, draft("", true)).draft, null);
});

test("a turn in which a person answers instead leaves no empty answer", () => {
  const events = [
    { type: "message", number: 1, data: { run_id: "r", role: "customer", text: "在吗" } },
    { type: "started", number: 2, data: { run_id: "r", source: "human" } },
    { type: "done", number: 3, data: { run_id: "r", source: "human", finish_reason: "handed_over" } },
  ];
  assert.equal(said(events.reduce(take, EMPTY)), "c:在吗");
});

test("a wait is told in minutes and seconds, with hours where there are any", () => {
  assert.deepEqual([7_000, 750_000, 3_723_000, -5].map(describeWait), ["0:07", "12:30", "1:02:03", "0:00"]);
});
