import assert from "node:assert/strict";
import { test } from "node:test";

import { UNKNOWN, readOrigin } from "../../web/origin.js";
import { BrokenStream, EventReader, readEvents } from "../../web/stream.js";

function frame(id, type, data) {
  return `${id ? `id: ${id}\n` : ""}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}

const FROM_PASSAGE = {
  source: "knowledge", label: "ai", score: 0.71, rule: "r", cached: true, suggestions: ["换货呢"],
  sources: [{ kind: "passage", id: "p", title: "保修", quote: "一年", href: "https://shop.example/" }],
};
const TEXT = [
  frame(12, "message", { run_id: "r", role: "customer", text: "你好\nid: 9" }),
  frame(0, "queued", { run_id: "r", position: 2, eta_ms: 3400, reason: "queue" }),
  ": ping\n\n",
  frame(13, "started", { run_id: "r", source: "model" }),
  frame(14, "token", { run_id: "r", text: "您好，" }),
  frame(15, "token", { run_id: "r", text: "👨‍👩‍👧😀\n" }),
  frame(16, "notice", { run_id: "r", code: "trimmed", text: "早先的没用上" }),
  frame(1016, "rewind", { run_id: "r", after: 14, chars: 3 }),
  frame(1017, "token", { run_id: "r", text: "é data: : x" }),
  frame(1018, "done", { run_id: "r", finish_reason: "stop", timings: { total_ms: 1234.5 },
    ...FROM_PASSAGE }),
  frame(0, "handoff", { run_id: "r", state: "waiting" }),
  frame(1019, "error", { run_id: "q", code: "engine_failed", message: "It broke." }),
  frame(1020, "of_tomorrow", { run_id: "q", colour: "red" }),
  'event: bye\nretry: 2000\ndata: {"retry_ms": 2000}\n\n',
].join("");
const EVENTS = [
  { type: "message", number: 12, runId: "r", role: "customer", text: "你好\nid: 9",
    origin: UNKNOWN },
  { type: "queued", number: null, runId: "r", position: 2, etaMs: 3400, reason: "queue" },
  { type: "started", number: 13, runId: "r", origin: readOrigin({ source: "model" }) },
  { type: "token", number: 14, runId: "r", text: "您好，" },
  { type: "token", number: 15, runId: "r", text: "👨‍👩‍👧😀\n" },
  { type: "notice", number: 16, runId: "r", code: "trimmed", text: "早先的没用上" },
  { type: "rewind", number: 1016, runId: "r", after: 14, chars: 3 },
  { type: "token", number: 1017, runId: "r", text: "é data: : x" },
  { type: "done", number: 1018, runId: "r", finishReason: "stop", totalMs: 1234.5,
    origin: readOrigin(FROM_PASSAGE) },
  { type: "handoff", number: null, runId: "r", state: "waiting", told: {} },
  { type: "error", number: 1019, runId: "q", code: "engine_failed", message: "It broke." },
  { type: "of_tomorrow", number: 1020, runId: "q" },
  { type: "bye", number: null, runId: null, retryMs: 2000 },
];
const BYTES = new TextEncoder().encode(TEXT);

function read(...chunks) {
  const reader = new EventReader();
  return chunks.flatMap((chunk) => reader.feed(chunk));
}

function createBody(...texts) {
  return new ReadableStream({
    start(controller) {
      for (const text of texts) controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}

async function collect(lists) {
  const all = [];
  for await (const events of lists) all.push(...events);
  return all;
}

test("the events are the same wherever one cut falls, also inside a character", () => {
  for (let cut = 0; cut <= BYTES.length; cut += 1) {
    assert.deepEqual(read(BYTES.slice(0, cut), BYTES.slice(cut)), EVENTS, `cut at ${cut}`);
  }
});

test("the events are the same in pieces of every small size", () => {
  for (const size of [1, 2, 3, 5, 7, 29, 64]) {
    const pieces = [];
    for (let at = 0; at < BYTES.length; at += size) pieces.push(BYTES.slice(at, at + size));
    assert.deepEqual(read(...pieces), EVENTS, `pieces of ${size}`);
  }
});

test("bytes that break off anywhere give a beginning of the events and nothing else", () => {
  for (let end = 0; end <= BYTES.length; end += 1) {
    const events = read(BYTES.slice(0, end));
    assert.deepEqual(events, EVENTS.slice(0, events.length), `end at ${end}`);
  }
});

test("what arrives together comes together, and a ping as an empty list", async () => {
  const body = createBody(frame(1, "started", { run_id: "r" }) + frame(2, "token", { text: "a" }),
    ": ping\n\n");
  const lists = readEvents(body);
  assert.equal((await lists.next()).value.length, 2);
  assert.deepEqual((await lists.next()).value, []);
  await assert.rejects(lists.next(), BrokenStream);
});

test("an event that is no JSON breaks the stream", async () => {
  await assert.rejects(collect(readEvents(createBody("data: {oops\n\n"))), BrokenStream);
});

test("a stream that says nothing for too long is broken", async () => {
  const silent = new ReadableStream({});
  await assert.rejects(collect(readEvents(silent, 5)), BrokenStream);
});

test("a line without an end is cut off before it fills the memory", async () => {
  const endless = `data: ${"x".repeat(600_000)}`;
  await assert.rejects(collect(readEvents(createBody(endless, endless))), BrokenStream);
});
