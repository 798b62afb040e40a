import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Connection } from "../../web/connection.js";
import { ServerError, Unreachable } from "../../web/server.js";
import { Talk } from "../../web/talk.js";

const GONE = new ServerError(404, { code: "session_not_found", message: "" }, 0);
const LAST = {
  token: "", done: true, session_id: "s1", run_id: "r1", source: "model", finish_reason: "stop",
  timings: { total_ms: 10 },
};

function frame(value) {
  return `data: ${JSON.stringify(value)}\n\n`;
}

function answer(...frames) {
  return new Blob(frames.map(frame)).stream();
}

function keep(value = null) {
  return { get: () => value, set: (next) => (value = next) };
}

/** A server whose calls are written down and answered by `replies`, in order for each call. */
function createServer(replies) {
  const calls = [];
  const reply = (name) => async (...args) => {
    calls.push([name, ...args.filter((arg) => typeof arg === "string")]);
    const next = replies[name]?.shift();
    if (next instanceof Error) throw next;
    return next;
  };
  const names = ["openSession", "ask", "readHistory", "stop", "checkHealth"];
  return { calls, ...Object.fromEntries(names.map((name) => [name, reply(name)])) };
}

function createTalk(replies, session = keep()) {
  const server = createServer(replies);
  return { server, session, talk: new Talk(server, new Connection(server.checkHealth), session) };
}

function history(texts, running = null) {
  const messages = texts.map((text, index) => ({
    id: index + 1, text, role: index % 2 ? "assistant" : "customer", created_ms: index,
    run_id: `r${index >> 1}`, ...(index % 2 ? { source: "model", finish_reason: "stop" } : {}),
  }));
  return { messages, running };
}

function texts(talk) {
  return talk.state.messages.map((message) => message.text);
}

test("the first question opens a session, keeps its id and streams its answer", async () => {
  const body = answer({ token: "您", done: false }, { token: "好", done: false }, LAST);
  const { talk, server, session } = createTalk({ openSession: ["s1"], ask: [body] });
  await talk.ask("你好");
  assert.deepEqual(texts(talk), ["你好", "您好"]);
  assert.equal(session.get(), "s1");
  assert.deepEqual(server.calls, [["openSession"], ["ask", "s1", "你好"]]);
});

test("a session that is gone is quietly replaced and the question still asked", async () => {
  const replies = { openSession: ["s2"], ask: [GONE, answer(LAST)] };
  const { talk, session } = createTalk(replies, keep("old"));
  talk.isOpening = false;
  await talk.ask("a");
  assert.equal(session.get(), "s2");
  assert.equal(talk.state.turn, null);
});

test("a kept session that is gone starts anew without a word", async () => {
  const { talk, session } = createTalk({ readHistory: [GONE] }, keep("old"));
  await talk.open();
  assert.deepEqual([talk.isOpening, session.get(), texts(talk)], [false, null, []]);
});

test("a stream cut in mid-answer is completed from the history and not asked twice", async () => {
  const replies = {
    ask: [answer({ token: "说到", done: false })],
    readHistory: [history(["a", "说到头"]), history(["a", "说到头"])],
  };
  const { talk, server } = createTalk(replies, keep("s1"));
  talk.isOpening = false;
  await talk.ask("a");
  assert.deepEqual(texts(talk), ["a", "说到头"]);
  assert.equal(server.calls.filter(([name]) => name === "ask").length, 1);
});

test("a question lost on the way is sent once more, after the history shows it", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const replies = {
    ask: [new Unreachable("cut"), answer({ token: "b", done: false }, LAST)],
    readHistory: [history([]), history([])],
  };
  const { talk, server } = createTalk(replies, keep("s1"));
  talk.isOpening = false;
  const asked = talk.ask("a");
  while (talk.state.turn) {
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(2000);
  }
  await asked;
  assert.deepEqual(texts(talk), ["a", "b"]);
  assert.equal(server.calls.filter(([name]) => name === "ask").length, 2);
});

test("a refused question keeps its words and can be tried again", async () => {
  const busy = new ServerError(503, { code: "busy", message: "Full." }, 9);
  const { talk } = createTalk({ ask: [busy, answer(LAST)] }, keep("s1"));
  talk.isOpening = false;
  await talk.ask("a");
  assert.equal(talk.state.messages[0].error.code, "busy");
  await talk.retry();
  assert.deepEqual(texts(talk), ["a", ""]);
  assert.equal(talk.state.messages[0].error, null);
});

test("stopping is a call, and the stream is read to its end", async () => {
  const pipe = new TransformStream();
  const { talk, server } = createTalk({ ask: [pipe.readable] }, keep("s1"));
  talk.isOpening = false;
  const asked = talk.ask("a");
  const writer = pipe.writable.getWriter();
  await writer.write(new TextEncoder().encode(frame({ token: "b", done: false })));
  await talk.stop();
  assert.deepEqual(server.calls.at(-1), ["stop", "s1"]);
  const end = frame({ ...LAST, finish_reason: "cancelled" });
  await writer.write(new TextEncoder().encode(end));
  await asked;
  assert.equal(talk.state.messages[1].finishReason, "cancelled");
});

test("a new conversation stops the running answer and leaves a way back", async () => {
  const pipe = new TransformStream();
  const replies = { ask: [pipe.readable], readHistory: [history(["a", "bc"])] };
  const { talk, server, session } = createTalk(replies, keep("s1"));
  talk.isOpening = false;
  const asked = talk.ask("a");
  await new Promise((resolve) => setImmediate(resolve));
  await talk.startAnew();
  assert.deepEqual([texts(talk), session.get(), talk.canGoBack], [[], null, true]);
  assert.deepEqual(server.calls.at(-1), ["stop", "s1"]);
  await talk.goBack();
  assert.deepEqual([texts(talk), session.get()], [["a", "bc"], "s1"]);
  await pipe.writable.close();
  await asked;
  assert.deepEqual(texts(talk), ["a", "bc"]);
});

test("a running answer found after a reload is followed to its end", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const running = { run_id: "r1", text: "半", queued: null };
  const replies = { readHistory: [history(["a"], running), history(["a", "半句"])] };
  const { talk } = createTalk(replies, keep("s1"));
  const seen = mock.fn();
  talk.addEventListener("change", () => seen(texts(talk).at(-1)));
  const opened = talk.open();
  while (talk.isOpening) {
    await new Promise((resolve) => setImmediate(resolve));
    t.mock.timers.tick(2000);
  }
  await opened;
  assert.deepEqual(seen.mock.calls.slice(0, 2).map((call) => call.arguments[0]), ["半", "半句"]);
});
