/**
 * The bytes of a `POST /chat` answer as frames: token, queued, started, notice, done, failed.
 *
 * It keeps no conversation and touches no page. The rule that must not break: wherever the
 * network cuts the bytes, also inside a character, the frames are the same.
 */
import { createParser } from "./vendor/eventsource-parser/parse.js";

const MAX_LINE_CHARS = 1_000_000;

/** Four pings of the server missed: the connection is dead, whatever the socket says. */
export const IDLE_MS = 60_000;

/** The answer stopped coming before its last frame. */
export class BrokenStream extends Error {}

export class FrameReader {
  #decoder = new TextDecoder();
  #frames = [];
  #parser = createParser({
    maxBufferSize: MAX_LINE_CHARS,
    onEvent: (event) => this.#frames.push(readData(event.data)),
    onComment: (comment) => this.#frames.push(...readComment(comment)),
  });

  /** The frames that `bytes` complete; the rest waits for the next bytes. */
  feed(bytes) {
    this.#parser.feed(this.#decoder.decode(bytes, { stream: true }));
    return this.#frames.splice(0);
  }

  /** What the end completes: nothing, for a frame without its blank line is no frame. */
  flush() {
    this.#parser.feed(this.#decoder.decode());
    return this.#frames.splice(0);
  }
}

/** Yields the frames of `body` as they come. Throws BrokenStream if there is no last one. */
export async function* readFrames(body, idleMs = IDLE_MS) {
  const source = body.getReader();
  const reader = new FrameReader();
  try {
    for (;;) {
      const { value, done } = await readInTime(source, idleMs);
      for (const frame of done ? reader.flush() : reader.feed(value)) {
        yield frame;
        if (frame.type === "done" || frame.type === "failed") return;
      }
      if (done) throw new BrokenStream("The answer ended without its last frame.");
    }
  } catch (error) {
    throw error instanceof BrokenStream ? error : new BrokenStream(String(error));
  } finally {
    source.cancel().catch(() => {});
  }
}

async function readInTime(source, idleMs) {
  let timer;
  const idle = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new BrokenStream(`Nothing came for ${idleMs} ms.`)), idleMs);
  });
  try {
    return await Promise.race([source.read(), idle]);
  } finally {
    clearTimeout(timer);
  }
}

function readData(data) {
  const frame = JSON.parse(data);
  if (!frame.done) return { type: "token", text: frame.token };
  if (frame.error) return { type: "failed", runId: frame.run_id, ...frame.error };
  return {
    type: "done",
    runId: frame.run_id,
    source: frame.source,
    finishReason: frame.finish_reason,
    totalMs: frame.timings.total_ms,
  };
}

/** Comments tell why an answer waits; one that cannot be read is a ping and says nothing. */
function readComment(comment) {
  const [, type, json] = /^(queued|started|notice) (\{.*\})$/.exec(comment) ?? [];
  if (!type) return [];
  try {
    const { eta_ms: etaMs, ...fields } = JSON.parse(json);
    return [type === "queued" ? { type, etaMs, ...fields } : { type, ...fields }];
  } catch {
    return [];
  }
}
