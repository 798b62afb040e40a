/**
 * What `/readyz` said last, asked again until the model is ready.
 *
 * It decides nothing. The rule that must not break: once the model is ready the asking stops,
 * and a model that will not come is asked for seldom.
 */
import { pause } from "./poll.js";
import { Unreachable } from "./server.js";

const LOADING_MS = 1000;
const UNAVAILABLE_MS = 10_000;

/** Fires `change` whenever there is news; `current` is null before the first. */
export class Readiness extends EventTarget {
  #readReadiness;
  #connection;
  #watch = new AbortController();

  constructor(readReadiness, connection) {
    super();
    this.#readReadiness = readReadiness;
    this.#connection = connection;
    this.current = null;
  }

  /** Begins anew, for a server that may have been started again. */
  async watch() {
    this.#watch.abort();
    this.#watch = new AbortController();
    const { signal } = this.#watch;
    while (!signal.aborted && !(await this.#ask())) {
      await pause(this.current?.rungs.model === "unavailable" ? UNAVAILABLE_MS : LOADING_MS, signal);
      await this.#connection.back();
    }
  }

  async #ask() {
    try {
      this.current = await this.#readReadiness();
      this.dispatchEvent(new Event("change"));
      return this.current.ready && this.current.store.state === "ready";
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.#connection.lose();
      return false;
    }
  }
}
