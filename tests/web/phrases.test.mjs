import assert from "node:assert/strict";
import { test } from "node:test";

import {
  describeEnding, describeError, describeNotice, describeTrouble, describeWait,
  isWorthRetrying,
} from "../../web/phrases.js";
import { Words } from "../../web/words.js";

const words = new Words("en");
const READY = {
  ready: true, store: { state: "ready", reason: "" },
  model: { phase: "ready", progress: 1, reason: "" },
};

function describePhase(phase, more = {}) {
  const model = { phase, progress: 0, reason: "", ...more };
  return describeTrouble(words, false, { ...READY, ready: false, model });
}

test("a wait says how many are ahead and how long it takes", () => {
  const turn = { phase: "queued", position: 2, etaMs: 3400, reason: "queue" };
  assert.equal(describeWait(words, turn), "2 ahead of you, about 4 s");
  assert.equal(describeWait(words, { ...turn, etaMs: 0 }), "2 ahead of you, one moment");
  assert.equal(describeWait(words, { ...turn, position: 0 }), "You are next");
  assert.match(describeWait(words, { ...turn, reason: "model_loading" }), /model/);
});

test("half an answer says that it goes on by itself", () => {
  assert.match(describeWait(words, { phase: "recovering" }, true), /goes on by itself/);
  assert.match(describeWait(words, { phase: "recovering" }, false), /getting the connection/);
  const turn = { phase: "queued", position: 0, etaMs: 0, reason: "model_loading" };
  assert.match(describeWait(words, turn, true), /goes on by itself/);
  assert.equal(describeWait(words, { phase: "waiting" }, false), "You are next");
});

test("while the FAQ answers, a model that is not there is told calmly and without its reason", () => {
  const rungs = { store: "ready", knowledge: "ready", model: "loading" };
  const say = (phase, more) => describeTrouble(words, false, {
    ...READY, ready: false, rungs, model: { phase, progress: 0, reason: "No file.", ...more },
  });
  assert.match(say("loading", { progress: 0.42 }).text, /waking up \(42%\).*ask already/);
  assert.doesNotMatch(say("starting").text, /%/);
  assert.match(say("unavailable").text, /Common questions are answered/);
  for (const phase of ["starting", "loading", "unavailable"]) {
    assert.deepEqual([say(phase).isCalm, say(phase).reason], [true, ""]);
  }
});

test("only an ending that is not plain is put in words", () => {
  assert.equal(describeEnding(words, { finishReason: "stop" }), "");
  assert.equal(describeEnding(words, { finishReason: null }), "");
  assert.equal(describeEnding(words, { finishReason: "cancelled" }), "Stopped");
});

test("a page without its key says so, and so does a question that a key did not open", () => {
  const shut = { ...READY, chat_access: "key" };
  const barred = describeTrouble(words, false, shut, (access) => access === "key");
  assert.match(barred.text, /valid key/);
  assert.equal(barred.isCalm, false);
  assert.equal(describeTrouble(words, false, shut, () => false), null);
  for (const code of ["not_authenticated", "access_denied", "insecure_connection"]) {
    assert.match(describeError(words, { role: "customer", error: { code } }), /valid key/);
  }
});

test("every error code finds words, a code of tomorrow too", () => {
  const question = (error) => describeError(words, { role: "customer", error });
  assert.match(question({ code: "busy", retryAfterS: 9 }), /9 s/);
  assert.match(question({ code: "constructor_of_tomorrow" }), /went wrong/);
});

test("a disk that fails in mid-answer is not told as a question that was not taken", () => {
  const error = { code: "store_unavailable" };
  assert.match(describeError(words, { role: "customer", error }), /not taken/);
  assert.match(describeError(words, { role: "assistant", error }), /question is kept/);
});

test("a question that stopped the assistant twice is not offered again", () => {
  const error = { code: "interrupted" };
  assert.match(describeError(words, { role: "assistant", error }), /other words/);
  assert.equal(isWorthRetrying(error), false);
  assert.equal(isWorthRetrying({ code: "engine_failed" }), true);
});

test("a notice we have no words for shows the server's", () => {
  assert.equal(describeNotice(words, { code: "slower", text: "It is hot." }), "It is hot.");
  assert.match(describeNotice(words, { code: "repetition", text: "x" }), /repeat/);
});

test("the banner tells the worst first, and nothing when all is well", () => {
  assert.equal(describeTrouble(words, false, null), null);
  assert.equal(describeTrouble(words, false, READY), null);
  assert.match(describeTrouble(words, true, READY).text, /reconnecting/);
  assert.match(describePhase("loading", { progress: 0.42 }).text, /42%/);
  assert.doesNotMatch(describePhase("warming", { progress: 1 }).text, /%/);
  assert.equal(describePhase("unavailable", { reason: "No file." }).reason, "No file.");
});

test("a full disk is no banner for customers, a store that is gone is", () => {
  const full = { ...READY, ready: false, store: { state: "full", reason: "0 bytes left." } };
  assert.equal(describeTrouble(words, false, full), null);
  const gone = { ...READY, ready: false, store: { state: "unavailable", reason: "No disk." } };
  assert.equal(describeTrouble(words, false, gone).reason, "No disk.");
});
