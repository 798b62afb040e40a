import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection } from "../../web/connection.js";
import { EMPTY, reduce } from "../../web/conversation.js";
import { findTurn, listShown } from "../../web/shown.js";
import { Talk } from "../../web/talk.js";
import { listNews } from "../../web/widget_news.js";
import { Patience } from "../../web/widget_patience.js";
import { Questions } from "../../web/widget_questions.js";
import { readSettings, readVisitor } from "../../web/widget_settings.js";
import { FakeAppliance } from "./appliance.mjs";

const PLAIN = {
  key: "", title: "", greeting: null, suggestions: null, language: null, session: "tab", theme: "auto",
  color: null, ink: "#fff",
};

test("a site that wishes for nothing gets what is usual", () => {
  for (const given of [undefined, null, {}, [], "text", 7]) {
    assert.deepEqual(readSettings(given), PLAIN);
  }
});

test("what a site wishes for is done", () => {
  const wished = {
    key: "ak_0_x", title: "问店员", greeting: "您好！", suggestions: ["几点关门？", "怎么退货？"], language: "zh",
    session: "resume", theme: "dark", color: "#AbC", ink: "#000",
  };
  assert.deepEqual(readSettings(wished), wished);
});

test("a value of another kind is as none", () => {
  const odd = {
    key: 7, title: {}, greeting: 7, suggestions: "a|b", language: "zh-CN", session: "forever", theme: "x",
    color: "red;}", ink: "url(x)",
  };
  assert.deepEqual(readSettings(odd), PLAIN);
  assert.deepEqual(readSettings({ color: "#12345", suggestions: [1, {}, " "] }), PLAIN);
  assert.deepEqual(readSettings({ session: "constructor", language: "__proto__" }), PLAIN);
});

test("no text of a site is longer than a text may be", () => {
  const long = readSettings({ title: "x".repeat(9000), suggestions: Array(99).fill("y".repeat(900)) });
  assert.equal(long.title.length, 300);
  assert.equal(long.suggestions.length, 8);
  assert.ok(long.suggestions.every((one) => one.length === 300));
});

test("a visitor is a name to show, and perhaps a proof", () => {
  assert.equal(readVisitor(null), null);
  assert.equal(readVisitor({ id: "", name: " " }), null);
  assert.deepEqual(readVisitor({ name: "王女士", more: 1 }), { id: "", name: "王女士", token: "" });
  assert.deepEqual(readVisitor({ id: "u", token: "a.b" }), { id: "u", name: "", token: "a.b" });
});

const ASKED = { type: "asked", text: "我的秘密", clientId: "c" };
const EVENTS = [
  { type: "message", number: 1, runId: "r", role: "customer", text: "我的秘密" },
  { type: "started", number: 2, runId: "r", origin: { source: "faq", isOfficial: true } },
  { type: "token", number: 3, runId: "r", text: "秘密的答案" },
  {
    type: "done", number: 4, runId: "r", finishReason: "stop", totalMs: 5,
    origin: { source: "faq", isOfficial: true, suggestions: [], sources: [] },
  },
];

/** All states of one exchange. */
function play(events) {
  const actions = [ASKED, { type: "accepted", eventId: 1 },
    ...events.map((event) => ({ type: "events", events: [event] }))];
  return actions.reduce((states, action) => [...states, reduce(states.at(-1), action)], [EMPTY]);
}

test("the page around hears once that was asked and answered, wherever the events are cut", () => {
  const states = play(EVENTS);
  for (let first = 0; first < states.length; first += 1) {
    for (let second = first; second < states.length; second += 1) {
      const way = [...states.slice(0, first + 1), ...states.slice(second)];
      const news = way.slice(1).flatMap((state, at) => listNews(way[at], state));
      const names = news.map(({ name }) => name);
      assert.ok(names.filter((name) => name === "asked").length <= 1);
      assert.ok(names.filter((name) => name === "answered").length <= 1);
    }
  }
  const news = states.slice(1).flatMap((state, at) => listNews(states[at], state));
  assert.deepEqual(news, [
    { name: "asked", detail: {} },
    { name: "answered", detail: { source: "faq", isOfficial: true, finishReason: "stop" } },
  ]);
});

test("no word of the conversation is among the news", () => {
  const failed = { type: "error", number: 4, runId: "r", code: "engine_failed", message: "秘密" };
  const person = { type: "handoff", number: 5, runId: "", state: "waiting" };
  const states = play([...EVENTS.slice(0, 3), failed, person]);
  const news = states.slice(1).flatMap((state, at) => listNews(states[at], state));
  assert.deepEqual(news.map(({ name }) => name), ["asked", "failed", "handoff"]);
  assert.ok(!JSON.stringify(news).includes("秘密"));
});

/** An appliance that is off until told, and the times that somebody waited. */
function stand() {
  const pauses = [];
  const releases = [];
  const state = { isOn: false, calls: 0 };
  const check = async () => {
    state.calls += 1;
    if (!state.isOn) throw new Error("off");
    return "well";
  };
  const wait = (ms) => {
    pauses.push(ms);
    return new Promise((resolve) => releases.push(resolve));
  };
  return { patience: new Patience(check, wait), state, pauses, releases };
}

test("who looks for an appliance that is off waits longer each time", async () => {
  const { patience, state, pauses, releases } = stand();
  patience.show(true);
  await assert.rejects(patience.checkHealth());
  for (let tries = 0; tries < 12; tries += 1) {
    const again = patience.checkHealth();
    releases.at(-1)();
    await assert.rejects(again);
  }
  assert.deepEqual(pauses.slice(0, 4), [2000, 4000, 8000, 16_000]);
  assert.equal(pauses.at(-1), 300_000);
  state.isOn = true;
  const last = patience.checkHealth();
  releases.at(-1)();
  assert.equal(await last, "well");
  assert.equal(await patience.checkHealth(), "well");
  assert.equal(pauses.length, 13);
});

test("a touch between two tries makes the next one wait for nothing", async () => {
  const { patience, state, pauses } = stand();
  patience.show(true);
  await assert.rejects(patience.checkHealth());
  patience.hurry();
  state.isOn = true;
  assert.equal(await patience.checkHealth(), "well");
  assert.deepEqual(pauses, []);
});

test("behind a closed panel nobody asks until it is opened", async () => {
  const { patience, state, pauses } = stand();
  await assert.rejects(patience.checkHealth());
  const waiting = patience.checkHealth();
  await Promise.resolve();
  assert.deepEqual([state.calls, pauses], [1, []]);
  state.isOn = true;
  patience.show(true);
  assert.equal(await waiting, "well");
  assert.equal(state.calls, 2);
});

test("a touch of the panel asks at once", async () => {
  const { patience, state } = stand();
  patience.show(true);
  await assert.rejects(patience.checkHealth());
  const waiting = patience.checkHealth();
  await Promise.resolve();
  state.isOn = true;
  patience.hurry();
  assert.equal(await waiting, "well");
});

/** A talk that begins to read the conversation of before, and what its site asks. */
async function open() {
  const server = new FakeAppliance();
  let id = await server.openSession();
  const session = { get: () => id, set: (next) => (id = next) };
  const talk = new Talk(server, new Connection(server.checkHealth), session);
  const questions = new Questions(talk, (text) => talk.ask(text));
  const opened = talk.open();
  return { server, talk, questions, opened };
}

const listAsked = ({ state }) =>
  listShown(state).filter(({ role }) => role === "customer").map(({ text }) => text);

async function until(isSo) {
  for (let round = 0; !isSo(); round += 1) {
    assert.ok(round < 200, `waited in vain for ${isSo}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test("what a site asks while the conversation of before is read is asked after it", async () => {
  const { server, talk, questions, opened } = await open();
  questions.add("几点关门？");
  assert.equal(server.count("ask"), 0);
  await opened;
  await until(() => server.count("ask") === 1);
  assert.deepEqual(listAsked(talk), ["几点关门？"]);
  talk.leave();
});

test("what a site asks while an answer runs waits for its end, each once and in its order", async () => {
  const { server, talk, questions, opened } = await open();
  await opened;
  for (const text of ["a", "a", "b", "c", "b"]) questions.add(text);
  for (const asked of [["a"], ["a", "b"], ["a", "b", "c"]]) {
    await until(() => server.watchers === 1 && talk.state.turn);
    assert.deepEqual(listAsked(talk), asked);
    server.finish("s1");
    await until(() => !findTurn(talk.state) || listAsked(talk).length > asked.length);
  }
  questions.add("a");
  await until(() => server.count("ask") === 4);
  talk.leave();
});

test("what a site asked in a conversation that is left is asked in no other", async () => {
  const { server, talk, questions, opened } = await open();
  await opened;
  questions.add("a");
  questions.add("b");
  questions.drop();
  await talk.startAnew();
  assert.deepEqual([server.count("ask"), listAsked(talk)], [1, []]);
  talk.leave();
});
