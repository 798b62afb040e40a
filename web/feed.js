/**
 * The standing connection to a session's events, and the way back when it breaks.
 *
 * It keeps no event and knows no message. The rule that must not break: every connection asks for
 * what follows the last event taken, so a cut loses nothing.
 */
import { pause, pauseAfter } from "./pause.js";
import { LOST_SESSION, ServerError, Unreachable } from "./server.js";
import { BrokenStream, readEvents } from "./stream.js";

/** Fires `joined`, `events` (a list in `detail`), `cut`, and `gone` for an unknown session. */
export class Feed extends EventTarget {
  #openEvents;
  #connection;
  #getTaken;
  #leaving = null;
  #current = new AbortController();

  /** `getTaken` gives the number of the last event taken in. */
  constructor(openEvents, connection, getTaken) {
    super();
    this.#openEvents = openEvents;
    this.#connection = connection;
    this.#getTaken = getTaken;
    connection.addEventListener("change", () => this.#mistrust());
  }

  /** Joins the events of a session unless it has joined already; of another it has to `leave`. */
  join(sessionId) {
    if (this.#leaving) return;
    this.#leaving = new AbortController();
    this.#follow(sessionId, this.#leaving.signal);
  }

  leave() {
    this.#leaving?.abort();
    this.#leaving = null;
  }

  /** Where no call gets through, a stream that still stands may never say anything again. */
  #mistrust() {
    if (this.#connection.isLost) this.#current.abort();
  }

  async #follow(sessionId, signal) {
    for (let failures = 0; !signal.aborted; failures += 1) {
      const cut = await this.#read(sessionId, signal);
      if (signal.aborted) return;
      if (cut.isGone) return this.#tell("gone");
      if (cut.hasSpoken) failures = 0;
      this.#tell("cut");
      const { retryMs } = cut;
      const paused = retryMs === null ? pauseAfter(failures, signal) : pause(retryMs, signal);
      await Promise.all([paused, this.#connection.back()]);
    }
  }

  /** Reads one connection to its end, and says how it ended. */
  async #read(sessionId, signal) {
    const cut = { hasSpoken: false, isGone: false, retryMs: null };
    const current = new AbortController();
    const close = () => current.abort();
    this.#current = current;
    signal.addEventListener("abort", close);
    try {
      const body = await this.#openEvents(sessionId, this.#getTaken(), current.signal);
      if (signal.aborted) return cut;
      this.#tell("joined");
      for await (const events of readEvents(body)) {
        if (signal.aborted) return cut;
        cut.hasSpoken = true;
        cut.retryMs = events.find((event) => event.type === "bye")?.retryMs ?? null;
        if (events.length) this.#tell("events", events);
        if (cut.retryMs !== null) return cut;
      }
    } catch (error) {
      if (current.signal.aborted) return cut;
      cut.isGone = error.status === LOST_SESSION;
      this.#judge(error);
    } finally {
      signal.removeEventListener("abort", close);
      close();
    }
    return cut;
  }

  #judge(error) {
    if (error instanceof Unreachable) this.#connection.lose();
    else if (!(error instanceof BrokenStream || error instanceof ServerError)) throw error;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
