/**
 * What the server says of one conversation, or of their list, read until it says it.
 *
 * It touches no page. The rules that must not break: what failed is asked for again with longer
 * and longer pauses, and what is gone for good is not asked for again.
 */
import { pauseAfter } from "../pause.js";

const GONE = "session_not_found";
const SOON_MS = 300;

export class Reading {
  #get;
  #on;
  #wait;
  #asking = new AbortController();
  #soon = 0;
  #isOver = false;

  /**
   * `get()` is the server's call; `on` has what to do with its `answer`, with a refusal that is
   * `failed` before the next try, and, of one conversation, when it is `gone`.
   */
  constructor(get, on, wait = pauseAfter) {
    [this.#get, this.#on, this.#wait] = [get, on, wait];
  }

  close() {
    this.#isOver = true;
    this.#asking.abort();
    clearTimeout(this.#soon);
  }

  /** Several events in a row are one reason to read. */
  soon() {
    clearTimeout(this.#soon);
    if (!this.#isOver) this.#soon = setTimeout(() => this.read(), SOON_MS);
  }

  /** Resolves with the answer taken; a further call takes the place of this one's next try. */
  async read() {
    this.#asking.abort();
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    for (let failures = 0; !signal.aborted && !this.#isOver; failures += 1) {
      if (await this.#ask(signal)) return;
      if (!signal.aborted) await this.#wait(failures, signal);
    }
  }

  /** Whether nothing is left to ask for. */
  async #ask(signal) {
    try {
      const answer = await this.#get();
      if (!this.#isOver) this.#on.answer(answer);
      return true;
    } catch (error) {
      if (!error.code) throw error;
      if (signal.aborted || this.#isOver) return true;
      if (error.code !== GONE) this.#on.failed(error);
      else {
        this.close();
        this.#on.gone?.();
      }
      return error.code === GONE;
    }
  }
}
