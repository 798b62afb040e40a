import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY, findFailed, findUnsent, reduce } from "../../web/conversation.js";

const DONE = { type: "done", runId: "r1", source: "model", finishReason: "stop", totalMs: 2300 };
const FAILED = { type: "failed", runId: "r1", code: "engine_failed", message: "It broke." };

function play(...actions) {
  return actions.reduce(reduce, EMPTY);
}

function row(id, role, text, more = {}) {
  return { id, role, text, created_ms: 1000 * id, run_id: `r${Math.ceil(id / 2)}`, ...more };
}

test("an answer grows token by token and ends with its source and seconds", () => {
  const state = play(
    { type: "asked", text: "你好" }, { type: "accepted" },
    { type: "started", source: "model" },
    { type: "token", text: "您" }, { type: "token", text: "好" }, DONE,
  );
  const [question, answer] = state.messages;
  assert.equal(question.isStored, true);
  assert.deepEqual([answer.text, answer.seconds, answer.runId], ["您好", 2.3, "r1"]);
  assert.equal(state.turn, null);
});

test("the place in the queue is known until the answer starts", () => {
  const waiting = play(
    { type: "asked", text: "a" }, { type: "accepted" },
    { type: "queued", position: 2, etaMs: 3400, reason: "queue" },
  );
  assert.deepEqual(waiting.turn, {
    phase: "queued", position: 2, etaMs: 3400, reason: "queue", isStopping: false,
  });
  assert.equal(reduce(waiting, { type: "started", source: "model" }).turn.phase, "thinking");
});

test("stopping is remembered while tokens still come", () => {
  const state = play(
    { type: "asked", text: "a" }, { type: "accepted" }, { type: "stopping" },
    { type: "token", text: "x" },
  );
  assert.equal(state.turn.isStopping, true);
});

test("an answer that breaks keeps what was said and can be asked again", () => {
  const state = play(
    { type: "asked", text: "坏" }, { type: "accepted" }, { type: "token", text: "半" }, FAILED,
  );
  assert.equal(state.messages[1].text, "半");
  assert.equal(state.messages[1].error.code, "engine_failed");
  assert.equal(findFailed(state).text, "坏");
});

test("a question that was refused stays, unsent, with its words", () => {
  const error = { code: "busy", message: "Full.", retryAfterS: 9 };
  const state = play({ type: "asked", text: "长长的问题" }, { type: "refused", error });
  assert.equal(state.messages.length, 1);
  assert.equal(findUnsent(state).text, "长长的问题");
  assert.equal(findFailed(state).text, "长长的问题");
});

test("a question asked again takes the place of the one that failed", () => {
  const error = { code: "busy", message: "" };
  const refused = play({ type: "asked", text: "a" }, { type: "refused", error });
  const broken = play({ type: "asked", text: "a" }, { type: "accepted" }, FAILED);
  for (const state of [refused, broken]) {
    const again = reduce(state, { type: "asked", text: "a" });
    assert.deepEqual(again.messages.map((message) => message.text), ["a", ""]);
  }
});

test("history replaces the page's messages, with the seconds each answer took", () => {
  const notice = { type: "notice", code: "trimmed", text: "" };
  const live = play({ type: "asked", text: "a" }, { type: "accepted" }, notice, DONE);
  const history = {
    messages: [
      row(1, "customer", "a"),
      row(2, "assistant", "b", { source: "model", finish_reason: "stop", total_ms: 2300 }),
    ],
    running: null,
  };
  const state = reduce(live, { type: "history", history });
  assert.deepEqual(state.messages.map((message) => message.seconds), [null, 2.3]);
  assert.equal(state.messages[1].notices[0].code, "trimmed");
  assert.equal(state.storedQuestions, 1);
});

test("a running answer in the history goes on where it is", () => {
  const messages = [row(1, "customer", "a")];
  const running = { run_id: "r1", text: "说到一", queued: null };
  const state = reduce(EMPTY, { type: "history", history: { messages, running } });
  assert.equal(state.messages[1].text, "说到一");
  assert.equal(state.turn.phase, "speaking");
});

test("a waiting answer in the history shows its place", () => {
  const messages = [row(1, "customer", "a")];
  const queued = { position: 1, eta_ms: 900, reason: "queue" };
  const running = { run_id: "r1", text: "", queued };
  const { turn } = reduce(EMPTY, { type: "history", history: { messages, running } });
  assert.deepEqual([turn.phase, turn.position, turn.etaMs], ["queued", 1, 900]);
});

test("a last question that nobody answers any more can be asked again", () => {
  const history = { messages: [row(1, "customer", "a")], running: null };
  const state = reduce(EMPTY, { type: "history", history });
  assert.equal(findFailed(state).text, "a");
  assert.equal(state.messages[0].error.code, "unanswered");
});

test("nothing can be asked again while an answer runs", () => {
  assert.equal(findFailed(play({ type: "asked", text: "a" })), null);
});
