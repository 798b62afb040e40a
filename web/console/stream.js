/**
 * One standing connection of the console, and the way back when it breaks.
 *
 * It knows no event's meaning. The rule that must not break: after every cut whoever listens is
 * told that the stream has joined again, so what was missed can be read anew, or that it is gone.
 */
import { FrameReader } from "../frames.js";
import { pauseAfter } from "../pause.js";

/** Four pings of the server missed: the connection is dead, whatever the socket says. */
const IDLE_MS = 60_000;

export class Stream {
  #path;
  #onEvent;
  #on;
  #leaving = new AbortController();
  #isLost = false;

  /** `on` has what to do when the connection is `lost`, `back`, or nobody's any more: `out`. */
  constructor(path, onEvent, on) {
    this.#path = typeof path === "function" ? path : () => path;
    this.#onEvent = onEvent;
    this.#on = on;
    this.#follow(this.#leaving.signal);
  }

  close() {
    this.#leaving.abort();
  }

  async #follow(signal) {
    for (let failures = 0; !signal.aborted; failures += 1) {
      const began = await this.#read(signal);
      if (began) failures = 0;
      if (signal.aborted) return;
      if (!this.#isLost && failures > 0) {
        this.#isLost = true;
        this.#on.lost();
      }
      await pauseAfter(failures, signal);
    }
  }

  /** One connection to its end; whether it had joined. */
  async #read(signal) {
    const current = new AbortController();
    const close = () => current.abort();
    signal.addEventListener("abort", close);
    let idle = 0;
    try {
      const answer = await fetch(this.#path(), {
        headers: { Accept: "text/event-stream" }, cache: "no-store", signal: current.signal,
      });
      if (answer.status === 401) this.#on.out();
      if (answer.status === 404) this.#end();
      if (!answer.ok) return false;
      this.#join();
      for await (const bytes of readBytes(answer.body)) {
        clearTimeout(idle);
        idle = setTimeout(close, IDLE_MS);
        for (const event of bytes) this.#onEvent(event);
      }
      return true;
    } catch (error) {
      if (!(error instanceof TypeError || error.name === "AbortError")) throw error;
      return false;
    } finally {
      clearTimeout(idle);
      signal.removeEventListener("abort", close);
      close();
    }
  }

  /** What it was the stream of is gone, and may have gone while nobody was told. */
  #end() {
    this.close();
    this.#onEvent({ type: "gone", number: null, data: {} });
  }

  #join() {
    if (this.#isLost) this.#on.back();
    this.#isLost = false;
    this.#onEvent({ type: "joined", number: null, data: {} });
  }
}

/** What each arrival completes, as a list of {type, number, data}. */
async function* readBytes(body) {
  const source = body.getReader();
  const decoder = new TextDecoder();
  const frames = new FrameReader();
  for (;;) {
    const { value, done } = await source.read();
    if (done) return;
    yield frames.feed(decoder.decode(value, { stream: true })).map(readEvent);
  }
}

function readEvent({ event, data, id }) {
  return { type: event, number: /^\d+$/.test(id) ? Number(id) : null, data: JSON.parse(data) };
}
