import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY, reduce } from "../../web/conversation.js";
import { UNKNOWN, readOrigin } from "../../web/origin.js";

const FROM_FAQ = {
  source: "faq", label: "official", score: 0.9, rule: "", cached: false,
  sources: [{ kind: "faq", id: "e1", title: "退货", quote: "七天", href: "" }], suggestions: ["换货呢"],
};
const DONE = { finishReason: "stop", totalMs: 2300, origin: readOrigin(FROM_FAQ) };

/** Two turns of one session: a power cut in the first, an error in the second, then a third. */
const LOG = [
  event(1, "r1", "message", { role: "customer", text: "说说看" }),
  event(2, "r1", "started", { origin: readOrigin({ source: "faq" }) }),
  event(3, "r1", "token", { text: "😀您" }),
  event(4, "r1", "notice", { code: "trimmed", text: "" }),
  event(5, "r1", "token", { text: "好" }),
  event(1005, "r1", "rewind", { after: 3, chars: 2 }),
  event(1006, "r1", "token", { text: "们" }),
  event(1007, "r1", "done", DONE),
  event(1008, "r2", "message", { role: "customer", text: "坏" }),
  event(1009, "r2", "token", { text: "半" }),
  event(1010, "r2", "error", { code: "engine_failed", message: "It broke." }),
  event(1011, "r3", "message", { role: "customer", text: "坏" }),
  event(1012, "r3", "of_tomorrow", {}),
  event(1013, "r3", "handoff", { state: "waiting" }),
  event(1014, "r3", "token", { text: "好了" }),
  event(1015, "r3", "done", DONE),
  event(1016, "r4", "message", { role: "customer", text: "退了它" }),
  event(1017, "r4", "tool", { tool: "request_return", toolState: "started" }),
  event(1018, "r4", "tool", { tool: "request_return", toolState: "confirm" }),
  event(1019, "r4", "token", { text: "要退吗？" }),
  event(1020, "r4", "done", DONE),
];

function event(number, runId, type, fields = {}) {
  return { number, runId, type, ...fields };
}

function play(...actions) {
  return actions.reduce(reduce, EMPTY);
}

function take(state, ...events) {
  return reduce(state, { type: "events", events });
}

/** What the server sends a page that has taken in everything up to `number`. */
function replayAfter(number) {
  return LOG.filter((it) => it.number > number);
}

function texts(state) {
  return state.messages.map((message) => message.text);
}

function row(id, role, text, more = {}) {
  return { id, role, text, created_ms: 1000 * id, run_id: `r${Math.ceil(id / 2)}`, ...more };
}

const WHOLE = take(EMPTY, ...LOG);

test("an answer grows token by token and ends with its seconds", () => {
  const [question, answer] = WHOLE.messages;
  assert.deepEqual([question.role, question.text], ["customer", "说说看"]);
  assert.deepEqual([answer.text, answer.totalMs, answer.runId], ["😀您们", 2300, "r1"]);
  assert.deepEqual(answer.origin, readOrigin(FROM_FAQ));
  assert.equal(WHOLE.turn, null);
});

test("a log cut at every position and gone on with gives the same state", () => {
  for (let cut = 0; cut <= LOG.length; cut += 1) {
    const half = reduce(take(EMPTY, ...LOG.slice(0, cut)), { type: "cut" });
    const back = take(reduce(half, { type: "joined" }), ...replayAfter(half.taken));
    assert.deepEqual(back, WHOLE, `cut at ${cut}`);
  }
});

test("events that are sent again, from however far back, change nothing", () => {
  for (let cut = 0; cut <= LOG.length; cut += 1) {
    for (let from = 0; from <= cut; from += 1) {
      const twice = take(take(EMPTY, ...LOG.slice(0, cut)), ...LOG.slice(from));
      assert.deepEqual(twice, WHOLE, `cut at ${cut}, again from ${from}`);
    }
  }
});

test("a page that never saw what the power cut took ends in the same state", () => {
  const kept = LOG.filter(({ number }) => number <= 3 || number >= 1005);
  assert.deepEqual(take(EMPTY, ...kept), WHOLE);
});

test("a rewind cuts the answer to its first code points and forgets later notices", () => {
  const state = take(EMPTY, ...LOG.slice(0, 6));
  assert.equal(state.messages[1].text, "😀您");
  assert.deepEqual(state.messages[1].notices, []);
  assert.equal(state.turn.phase, "speaking");
  const nothing = take(state, event(2005, "r1", "rewind", { after: 1, chars: 0 }));
  assert.deepEqual([nothing.messages[1].text, nothing.turn.phase], ["", "thinking"]);
});

test("the place in the queue is known until the answer starts", () => {
  const queued = { position: 2, etaMs: 3400, reason: "queue" };
  const waiting = take(EMPTY, LOG[0], event(null, "r1", "queued", queued));
  assert.deepEqual(waiting.turn, { runId: "r1", phase: "queued", ...queued, tool: "", isStopping: false });
  assert.deepEqual(take(waiting, LOG[1]), take(EMPTY, LOG[0], LOG[1]));
});

test("an answer that breaks keeps what was said, and asked again it makes room", () => {
  const broken = take(EMPTY, ...LOG.slice(0, 11));
  assert.equal(broken.messages[3].error.code, "engine_failed");
  assert.deepEqual(texts(broken), ["说说看", "😀您们", "坏", "半"]);
  assert.deepEqual(texts(WHOLE), ["说说看", "😀您们", "坏", "好了", "退了它", "要退吗？"]);
});

test("a turn whose error was not stored goes on after the restart", () => {
  const error = { code: "store_unavailable", message: "" };
  const ended = take(EMPTY, ...LOG.slice(0, 3), event(null, "r1", "error", error));
  assert.equal(ended.turn, null);
  const queued = { position: 0, etaMs: 0, reason: "model_loading" };
  const back = take(ended, event(null, "r1", "queued", queued));
  assert.deepEqual([back.turn.phase, back.messages[1].error], ["queued", null]);
  assert.deepEqual(take(back, ...replayAfter(3)), WHOLE);
});

test("stopping is remembered while tokens still come", () => {
  const state = reduce(take(EMPTY, ...LOG.slice(0, 3)), { type: "stopping" });
  assert.equal(take(state, LOG[3], LOG[4]).turn.isStopping, true);
});

test("a question of another page appears by itself, with its answer", () => {
  const mine = { type: "asked", text: "我的", clientId: "c" };
  const state = play(mine, { type: "accepted", eventId: 1021 });
  const before = take(state, ...LOG);
  assert.deepEqual(texts(before), texts(WHOLE));
  assert.equal(before.pending.text, "我的");
  const message = event(1021, "r5", "message", { role: "customer", text: "我的" });
  assert.deepEqual(texts(take(before, message)).slice(-2), ["我的", ""]);
});

test("the call's answer and the event may come in either order", () => {
  const asked = { type: "asked", text: "说说看", clientId: "c" };
  const accepted = { type: "accepted", eventId: 1 };
  const events = { type: "events", events: LOG };
  assert.deepEqual(play(asked, accepted, events), WHOLE);
  assert.deepEqual(play(asked, events, accepted), WHOLE);
});

test("the customer's message is matched once wherever the call's answer comes in", () => {
  const asked = { type: "asked", text: "说说看", clientId: "c" };
  for (let place = 0; place <= LOG.length; place += 1) {
    const actions = LOG.map((it) => ({ type: "events", events: [it] }));
    actions.splice(place, 0, { type: "accepted", eventId: 1 });
    assert.deepEqual(play(asked, ...actions), WHOLE, `answered at ${place}`);
  }
});

test("a stop asked before the question was there holds for its answer", () => {
  const state = play({ type: "asked", text: "说说看", clientId: "c" }, { type: "stopping" },
    { type: "accepted", eventId: 1 });
  assert.equal(take(state, ...LOG.slice(0, 3)).turn.isStopping, true);
});

test("history and the events after it give what the events alone give", () => {
  const total = { finish_reason: "stop", total_ms: 2300, ...FROM_FAQ };
  const failed = { error: { code: "engine_failed", message: "It broke." } };
  const rows = [
    row(1, "customer", "说说看"), row(2, "assistant", "😀您们", total),
    row(3, "customer", "坏"), row(4, "assistant", "半", failed), row(5, "customer", "坏"),
  ];
  const running = { run_id: "r3", text: "好", queued: null };
  const history = { messages: rows, running, event_id: 1013, handoff: "waiting" };
  const opened = reduce(EMPTY, { type: "history", history });
  assert.equal(opened.turn.phase, "speaking");
  const rest = event(1014, "r3", "token", { text: "了" });
  assert.deepEqual(take(opened, LOG[0], LOG[12], LOG[13], rest, ...LOG.slice(15)), WHOLE);
});

test("a waiting answer in the history shows its place", () => {
  const queued = { position: 1, eta_ms: 900, reason: "queue" };
  const running = { run_id: "r1", text: "", queued };
  const history = { messages: [row(1, "customer", "a")], running, event_id: 1 };
  const { turn } = reduce(EMPTY, { type: "history", history });
  assert.deepEqual([turn.phase, turn.position, turn.etaMs], ["queued", 1, 900]);
});

test("a question that nobody answers any more says so, until it is gone on with", () => {
  const history = { messages: [row(1, "customer", "说说看")], running: null, event_id: 1 };
  const state = reduce(EMPTY, { type: "history", history });
  assert.equal(state.messages[1].error.code, "unanswered");
  assert.deepEqual(take(state, ...LOG), WHOLE);
});

test("an answer tells its rung from its start on, also where the page comes in the middle", () => {
  assert.equal(take(EMPTY, ...LOG.slice(0, 3)).messages[1].origin.isOfficial, true);
  const running = { run_id: "r1", text: "半", queued: null, source: "knowledge" };
  const history = { messages: [row(1, "customer", "a")], running, event_id: 1 };
  const { messages } = reduce(EMPTY, { type: "history", history });
  assert.deepEqual([messages[1].origin.source, messages[1].origin.isOfficial], ["knowledge", false]);
  assert.equal(take(EMPTY, LOG[0]).messages[1].origin, UNKNOWN);
});

test("where the wish for a person stands comes by event, by call and by history", () => {
  const waiting = take(EMPTY, event(1, "r1", "handoff", { state: "waiting" }));
  assert.equal(waiting.handoff, "waiting");
  assert.equal(reduce(waiting, { type: "handoff", handoff: "bot" }).handoff, "bot");
  const history = { messages: [], running: null, event_id: 4, handoff: "human" };
  assert.equal(reduce(EMPTY, { type: "history", history }).handoff, "human");
  assert.equal(reduce(waiting, { type: "lost" }).handoff, "bot");
});

test("that the person has gone is told until the customer goes on", () => {
  const closed = take(EMPTY, event(1, "", "handoff", { state: "closed" }));
  assert.equal(closed.handoff, "closed");
  const asked = event(2, "r1", "message", { role: "customer", text: "还有" });
  assert.equal(take(closed, asked).handoff, "bot");
  const waiting = take(EMPTY, event(1, "", "handoff", { state: "waiting" }));
  assert.equal(take(waiting, asked).handoff, "waiting");
});

test("a message of the shop's side stands before the answer that still grows", () => {
  const told = event(4, "r9", "message", { role: "operator", text: "我来了" });
  const state = take(EMPTY, ...LOG.slice(0, 3), told);
  assert.deepEqual(texts(state), ["说说看", "我来了", "😀您"]);
  assert.equal(take(state, LOG[4]).messages[2].text, "😀您好");
});

test("a conversation that is gone stays to be read, and a new one counts from nothing", () => {
  const state = reduce(take(EMPTY, ...LOG.slice(0, 3)), { type: "lost" });
  assert.deepEqual([texts(state), state.taken, state.turn], [["说说看", "😀您"], 0, null]);
  assert.equal(state.messages[1].error.code, "unanswered");
});

test("a tool that works is told until the answer is spoken", () => {
  const looking = take(EMPTY, ...LOG.slice(0, 18));
  assert.deepEqual([looking.turn.phase, looking.turn.tool], ["looking", "request_return"]);
  const speaking = take(looking, ...LOG.slice(18, 20));
  assert.deepEqual([speaking.turn.phase, speaking.turn.tool], ["speaking", ""]);
  assert.equal(speaking.messages.at(-1).isConfirming, true);
});

test("an answer whose rule is to confirm asks for a yes, live and in the history", () => {
  const done = { ...DONE, origin: readOrigin({ ...FROM_FAQ, rule: "confirm" }) };
  const live = take(EMPTY, ...LOG.slice(0, 3), event(1007, "r1", "done", done));
  assert.equal(live.messages[1].isConfirming, true);
  const rows = [row(1, "customer", "a"), row(2, "assistant", "b", { source: "tool", rule: "confirm" })];
  const { messages } = reduce(EMPTY, { type: "history", history: { messages: rows, event_id: 4 } });
  assert.deepEqual(messages.map((it) => it.isConfirming), [false, true]);
});

test("what the customer says of an answer stands with it, and null takes it back", () => {
  const feedback = { verdict: "down", reason: "wrong" };
  const judged = reduce(WHOLE, { type: "judged", runId: "r1", feedback });
  assert.deepEqual(judged.messages[1].feedback, feedback);
  assert.equal(judged.messages[0].feedback, null);
  assert.deepEqual(reduce(judged, { type: "judged", runId: "r1", feedback: null }), WHOLE);
  const rows = [row(1, "customer", "a"), row(2, "assistant", "b", { feedback })];
  const { messages } = reduce(EMPTY, { type: "history", history: { messages: rows, event_id: 4 } });
  assert.deepEqual(messages[1].feedback, feedback);
});
