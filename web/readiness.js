/**
 * What `/readyz` said last, asked again until store, knowledge and model are ready.
 *
 * It decides nothing. The rule that must not break: once nothing more will come the asking
 * stops, and what will not come by itself is asked for seldom.
 */
import { pause } from "./pause.js";
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
      await pause(this.#isComing ? LOADING_MS : UNAVAILABLE_MS, signal);
      await this.#connection.back();
    }
  }

  /** Whether what is not ready yet will be by itself, as far as anybody knows. */
  get #isComing() {
    const { rungs, store } = this.current ?? {};
    if (rungs?.knowledge === "loading") return true;
    return rungs?.model !== "unavailable" && ["ready", "opening", undefined].includes(store?.state);
  }

  async #ask() {
    try {
      this.current = await this.#readReadiness();
      this.dispatchEvent(new Event("change"));
      const { ready, rungs, store } = this.current;
      return ready && rungs.knowledge !== "loading" && store.state === "ready";
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.#connection.lose();
      return false;
    }
  }
}
