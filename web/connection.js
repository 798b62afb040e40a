/**
 * Whether the appliance can be reached, and the way back when it cannot.
 *
 * It knows no conversation. The rule that must not break: whoever awaits `back()` goes on as soon
 * as the server lives again, without the customer doing anything.
 */
import { pauseAfter } from "./pause.js";

/** Fires `change` when the connection is lost and when it is back. */
export class Connection extends EventTarget {
  #checkHealth;
  #healing = null;

  constructor(checkHealth) {
    super();
    this.#checkHealth = checkHealth;
  }

  get isLost() {
    return this.#healing !== null;
  }

  lose() {
    if (this.#healing) return;
    this.#healing = this.#heal();
    this.dispatchEvent(new Event("change"));
  }

  /** Resolves when the server can be reached. */
  async back() {
    await this.#healing;
  }

  /** Looks whether the server is still there. */
  async check() {
    if (!this.isLost && !(await this.#isAlive())) this.lose();
  }

  async #heal() {
    const { signal } = new AbortController();
    for (let failures = 0; !(await this.#isAlive()); failures += 1) await pauseAfter(failures, signal);
    this.#healing = null;
    this.dispatchEvent(new Event("change"));
  }

  async #isAlive() {
    try {
      await this.#checkHealth();
      return true;
    } catch {
      return false;
    }
  }
}
