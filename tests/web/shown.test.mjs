import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY, reduce } from "../../web/conversation.js";
import { findFailed, findTurn, findUnsent, isGrowth, listShown } from "../../web/shown.js";

const ASKED = { type: "asked", text: "你好", clientId: "c1" };
const BUSY = { type: "refused", error: { code: "busy", message: "Full.", retryAfterS: 9 } };

function events(...list) {
  return { type: "events", events: list };
}

function message(number, runId, text) {
  return { number, runId, type: "message", role: "customer", text };
}

function token(number, runId, text) {
  return { number, runId, type: "token", text };
}

function play(...actions) {
  return actions.reduce(reduce, EMPTY);
}

function show(state) {
  return listShown(state).map((it) => it.text);
}

test("a question stands on the page at once, above the place of its answer", () => {
  const state = play(ASKED);
  assert.deepEqual(show(state), ["你好", ""]);
  assert.deepEqual(listShown(state).map((it) => it.turn?.phase), [undefined, "sending"]);
  assert.equal(findUnsent(state), "你好");
});

test("the question stands there once, whichever comes first", () => {
  const accepted = { type: "accepted", eventId: 1 };
  for (const state of [
    play(ASKED, accepted), play(ASKED, events(message(1, "r1", "你好"))),
    play(ASKED, accepted, events(message(1, "r1", "你好"))),
  ]) {
    assert.deepEqual(show(state), ["你好", ""]);
    assert.equal(findTurn(state).phase, "thinking");
  }
});

test("another page's question that came first is answered first, and ours waits below", () => {
  const other = events(message(1, "r1", "别人的"), token(2, "r1", "答"));
  const state = play(ASKED, other, { type: "waiting" });
  assert.deepEqual(show(state), ["别人的", "答", "你好", ""]);
  const phases = listShown(state).map((it) => it.turn?.phase);
  assert.deepEqual(phases, [undefined, "speaking", undefined, "waiting"]);
});

test("an answer grows from its first word to its last, and whatever else happens is no growth", () => {
  const asked = events(message(1, "r1", "你好"));
  const begun = play(asked, events(token(2, "r1", "早")));
  const longer = play(asked, events(token(2, "r1", "早"), token(3, "r1", "上好")));
  const cut = reduce(longer, { type: "cut" });
  const stopped = reduce(longer, events({ number: 4, runId: "r1", type: "error", code: "x", message: "" }));
  const next = reduce(stopped, events(message(5, "r2", "再问"), token(6, "r2", "好")));
  assert.equal(isGrowth(begun, longer), true);
  const others = [[EMPTY, begun], [play(asked), begun], [longer, cut], [cut, longer], [longer, stopped],
    [longer, next], [EMPTY, EMPTY]];
  for (const [before, after] of others) assert.equal(isGrowth(before, after), false);
});

test("a question that was refused stays, unsent, with its words and its id", () => {
  const state = play(ASKED, BUSY);
  assert.deepEqual(show(state), ["你好"]);
  assert.equal(listShown(state)[0].error.code, "busy");
  assert.deepEqual([findTurn(state), findUnsent(state)], [null, "你好"]);
  assert.equal(findFailed(state).clientId, "c1");
});

test("a question given up that arrived all the same is not shown twice", () => {
  const error = { code: "connection", message: "" };
  const given = play(ASKED, { type: "recovering" }, { type: "givenUp", error });
  assert.deepEqual(show(given), ["你好"]);
  const arrived = reduce(given, events(message(1, "r1", "你好"), token(2, "r1", "您")));
  assert.deepEqual(show(arrived), ["你好", "您"]);
  assert.deepEqual([findUnsent(arrived), findTurn(arrived).phase], ["", "speaking"]);
});

test("a question asked again takes the place of the one that failed", () => {
  const failed = { number: 2, runId: "r1", type: "error", code: "engine_failed", message: "" };
  const broken = play(events(message(1, "r1", "你好"), failed));
  assert.deepEqual(findFailed(broken), { text: "你好", clientId: null });
  assert.deepEqual(show(reduce(broken, ASKED)), ["你好", ""]);
  const other = { type: "asked", text: "别的", clientId: "c2" };
  assert.deepEqual(show(reduce(broken, other)), ["你好", "", "别的", ""]);
});

test("what is asked again is the customer's question, whatever the staff said in between", () => {
  const staff = { number: 2, runId: "r1", type: "message", role: "operator", text: "马上来" };
  const failed = { number: 3, runId: "r1", type: "error", code: "engine_failed", message: "" };
  const broken = play(events(message(1, "r1", "你好"), staff, failed));
  assert.deepEqual(findFailed(broken), { text: "你好", clientId: null });
  assert.deepEqual(show(reduce(broken, ASKED)), ["马上来", "你好", ""]);
  assert.deepEqual(show(reduce(broken, events(message(4, "r2", "你好")))), ["马上来", "你好", ""]);
});

test("nothing can be asked again while an answer runs", () => {
  assert.equal(findFailed(play(ASKED)), null);
});

test("while the stream is cut the half answer stays, and its turn is being recovered", () => {
  const half = play(events(message(1, "r1", "你好"), token(2, "r1", "半")), { type: "cut" });
  assert.deepEqual(show(half), ["你好", "半"]);
  assert.equal(findTurn(half).phase, "recovering");
  assert.equal(findTurn(reduce(half, { type: "joined" })).phase, "speaking");
});

test("without a turn a cut is nothing to wait for", () => {
  assert.equal(findTurn(play({ type: "cut" })), null);
});
