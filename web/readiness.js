/**
 * What `/readyz` said last, asked again until store, knowledge and model are ready.
 *
 * It decides nothing. The rule that must not break: once nothing more will come, or nobody looks,
 * the asking stops, and what will not come by itself is asked for ever more seldom.
 */
import { pause } from "./pause.js";
import { Unreachable } from "./server.js";

const LOADING_MS = 1000;
const UNAVAILABLE_MS = 10_000;
const LONGEST_MS = 300_000;

/** Fires `change` whenever there is news; `current` is null before the first. */
export class Readiness extends EventTarget {
  #readReadiness;
  #connection;
  #watch = new AbortController();
  #isSeen = false;
  #isWhole = false;
  #pause;

  /** `wait(ms, signal)` resolves after that time, or when the signal is aborted. */
  constructor(readReadiness, connection, wait = pause) {
    super();
    this.#readReadiness = readReadiness;
    this.#connection = connection;
    this.#pause = wait;
    this.current = null;
  }

  /** What is still to come is asked for while somebody looks, and at once when somebody does again. */
  show(isSeen) {
    const wasSeen = this.#isSeen;
    this.#isSeen = isSeen;
    if (!isSeen) this.#watch.abort();
    else if (!wasSeen && !this.#isWhole) this.watch();
  }

  /** Begins anew, for a server that may have been started again. */
  async watch() {
    this.#watch.abort();
    this.#isWhole = false;
    if (!this.#isSeen) return;
    this.#watch = new AbortController();
    const { signal } = this.#watch;
    for (let misses = 0; !signal.aborted && !(await this.#ask()); ) {
      misses = this.#isComing ? 0 : misses + 1;
      const longer = UNAVAILABLE_MS * 2 ** (misses - 1);
      await this.#pause(misses ? Math.min(longer, LONGEST_MS) : LOADING_MS, signal);
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
      this.#isWhole = ready && rungs.knowledge !== "loading" && store.state === "ready";
      return this.#isWhole;
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      this.#connection.lose();
      return false;
    }
  }
}
