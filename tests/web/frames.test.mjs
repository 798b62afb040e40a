import assert from "node:assert/strict";
import { test } from "node:test";

import { FrameReader, OversizedFrame } from "../../web/frames.js";

/** Everything that the format allows and a proxy may make of it. */
const TEXT = [
  ": a comment\r\n\r\n", "event: a\r\ndata: 1\r\nid: 7\r\n\r\n", "data:two\ndata:  lines\n\n",
  "id: 9\n\n", "data\n\n", "retry: 5\nfoo: bar\ndata: x:y\n\n", "\n\n", "event: a\ndata: 3\n\n",
].join("");
const FRAMES = [
  { event: "a", data: "1", id: "7" },
  { event: "message", data: "two\n lines", id: "" },
  { event: "message", data: "", id: "" },
  { event: "message", data: "x:y", id: "" },
  { event: "a", data: "3", id: "" },
];

function read(...pieces) {
  const reader = new FrameReader();
  return pieces.flatMap((piece) => reader.feed(piece));
}

test("the frames are the same wherever one cut falls", () => {
  for (let cut = 0; cut <= TEXT.length; cut += 1) {
    assert.deepEqual(read(TEXT.slice(0, cut), TEXT.slice(cut)), FRAMES, `cut at ${cut}`);
  }
});

test("the frames are the same letter by letter", () => {
  assert.deepEqual(read(...TEXT), FRAMES);
});

test("many lines without an end of their frame are as endless as one", () => {
  const reader = new FrameReader();
  const line = `data: ${"x".repeat(99_000)}\n`;
  assert.throws(() => {
    for (let count = 0; count < 20; count += 1) reader.feed(line);
  }, OversizedFrame);
});
