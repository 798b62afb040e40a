/**
 * The bytes of a session's event stream as events: {type, number, runId, …}.
 *
 * It keeps no conversation and touches no page. The rule that must not break: wherever the
 * network cuts the bytes, also inside a character, the events are the same.
 */
import { FrameReader } from "./frames.js";
import { readOrigin } from "./origin.js";

/** Four pings of the server missed: the connection is dead, whatever the socket says. */
export const IDLE_MS = 60_000;

/** The stream stopped, or said what cannot be read. */
export class BrokenStream extends Error {}

export class EventReader {
  #decoder = new TextDecoder();
  #frames = new FrameReader();

  /** The events that `bytes` complete; the rest waits for the next bytes. */
  feed(bytes) {
    return this.#frames.feed(this.#decoder.decode(bytes, { stream: true })).map(readEvent);
  }
}

/**
 * Yields what each arrival of bytes completes, as a list that may be empty.
 * Throws BrokenStream when the bytes end, fail or stay away.
 */
export async function* readEvents(body, idleMs = IDLE_MS) {
  const source = body.getReader();
  const reader = new EventReader();
  try {
    for (;;) {
      const { value, done } = await readInTime(source, idleMs);
      if (done) throw new BrokenStream("The stream ended.");
      yield reader.feed(value);
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

/** An event of tomorrow keeps its type and number, so its place in the order is known. */
function readEvent({ id, event: type, data }) {
  const fields = JSON.parse(data);
  const number = /^\d+$/.test(id) ? Number(id) : null;
  return { type, number, runId: fields.run_id ?? null, ...READ[type]?.(fields) };
}

const READ = {
  message: (fields) => ({ role: fields.role, text: fields.text, origin: readOrigin(fields) }),
  queued: ({ position, eta_ms: etaMs, reason }) => ({ position, etaMs, reason }),
  started: (fields) => ({ origin: readOrigin(fields) }),
  token: ({ text }) => ({ text }),
  tool: ({ name, title, state }) => ({ tool: title ?? name ?? "", toolState: state }),
  notice: ({ code, text }) => ({ code, text }),
  rewind: ({ after, chars }) => ({ after, chars }),
  done: ({ finish_reason: finishReason, timings, ...fields }) =>
    ({ finishReason, totalMs: timings.total_ms, origin: readOrigin(fields) }),
  error: ({ code, message }) => ({ code, message }),
  handoff: ({ run_id: _, state, ...told }) => ({ state, told }),
  typing: ({ who }) => ({ who }),
  bye: ({ retry_ms: retryMs }) => ({ retryMs }),
};
