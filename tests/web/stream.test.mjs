import assert from "node:assert/strict";
import { test } from "node:test";

import { BrokenStream, FrameReader, readFrames } from "../../web/stream.js";

const LAST = {
  token: "", done: true, session_id: "s", run_id: "r", source: "model", finish_reason: "stop",
  usage: {}, timings: { total_ms: 1234.5 },
};
const FRAME_STREAM = [
  ': queued {"position": 2, "eta_ms": 3400, "reason": "queue"}',
  ": ping",
  ': started {"source": "model"}',
  'data: {"token": "您好，", "done": false}',
  'data: {"token": "👨‍👩‍👧😀\\n", "done": false}',
  ': notice {"code": "trimmed", "text": "早先的没用上"}',
  'data: {"token": "é data: : x", "done": false}',
  `data: ${JSON.stringify(LAST)}`,
].map((block) => `${block}\n\n`).join("");
const FRAMES = [
  { type: "queued", etaMs: 3400, position: 2, reason: "queue" },
  { type: "started", source: "model" },
  { type: "token", text: "您好，" },
  { type: "token", text: "👨‍👩‍👧😀\n" },
  { type: "notice", code: "trimmed", text: "早先的没用上" },
  { type: "token", text: "é data: : x" },
  { type: "done", runId: "r", source: "model", finishReason: "stop", totalMs: 1234.5 },
];
const BYTES = new TextEncoder().encode(FRAME_STREAM);

function read(...chunks) {
  const reader = new FrameReader();
  return [...chunks.flatMap((chunk) => reader.feed(chunk)), ...reader.flush()];
}

function createBody(...texts) {
  return new ReadableStream({
    start(controller) {
      for (const text of texts) controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    },
  });
}

async function collect(frames) {
  const all = [];
  for await (const frame of frames) all.push(frame);
  return all;
}

test("the frames are the same wherever one cut falls, also inside a character", () => {
  for (let cut = 0; cut <= BYTES.length; cut += 1) {
    assert.deepEqual(read(BYTES.slice(0, cut), BYTES.slice(cut)), FRAMES, `cut at ${cut}`);
  }
});

test("the frames are the same in pieces of every small size", () => {
  for (const size of [1, 2, 3, 5, 7, 29, 64]) {
    const pieces = [];
    for (let at = 0; at < BYTES.length; at += size) pieces.push(BYTES.slice(at, at + size));
    assert.deepEqual(read(...pieces), FRAMES, `pieces of ${size}`);
  }
});

test("a comment that is no JSON of ours says nothing", () => {
  const odd = ": queued {broken\n\n: queued\n\n: bye {}\n\n:\n\n: started {\"source\": 1\n\n";
  assert.deepEqual(read(new TextEncoder().encode(odd)), []);
});

test("an error frame is the last frame and carries the server's code", async () => {
  const error = { code: "engine_failed", message: "It broke." };
  const frame = { token: "", done: true, session_id: "s", run_id: "r", error };
  const body = createBody(`data: ${JSON.stringify(frame)}\n\n`, "data: {\"token\": \"late\"}\n\n");
  assert.deepEqual(await collect(readFrames(body)), [{ type: "failed", runId: "r", ...error }]);
});

test("a stream that ends without its last frame is broken", async () => {
  const frames = readFrames(createBody('data: {"token": "a", "done": false}\n\n'));
  assert.deepEqual((await frames.next()).value, { type: "token", text: "a" });
  await assert.rejects(frames.next(), BrokenStream);
});

test("a frame that is no JSON breaks the stream", async () => {
  await assert.rejects(collect(readFrames(createBody("data: {oops\n\n"))), BrokenStream);
});

test("a stream that says nothing for too long is broken", async () => {
  const silent = new ReadableStream({});
  await assert.rejects(collect(readFrames(silent, 5)), BrokenStream);
});

test("a line without an end is cut off before it fills the memory", async () => {
  const endless = `data: ${"x".repeat(600_000)}`;
  await assert.rejects(collect(readFrames(createBody(endless, endless))), BrokenStream);
});
