/**
 * The conversations of the kiosk's visitors: one at a time, in memory alone, each closed when it ends.
 *
 * It touches no page. The rule that must not break: the id of a conversation that has ended is
 * known to nobody but to the call that closes it, which is repeated until the appliance has heard.
 */
import { pauseAfter } from "./pause.js";
import { LOST_SESSION, ServerError } from "./server.js";

export class Visits {
  #revoke;
  #id = null;

  /** `revoke(id)` is the server's call. */
  constructor(revoke) {
    this.#revoke = revoke;
  }

  get() {
    return this.#id;
  }

  set(id) {
    this.#id = id;
  }

  /** Forgets the conversation at once; resolves when the appliance has closed it. */
  async end(connection) {
    const id = this.#id;
    this.#id = null;
    const { signal } = new AbortController();
    for (let failures = 0; id !== null && !(await this.#close(id)); failures += 1) {
      await Promise.all([pauseAfter(failures, signal), connection.back()]);
    }
  }

  async #close(id) {
    try {
      await this.#revoke(id);
      return true;
    } catch (error) {
      // A conversation that the appliance does not know is closed; one that it is busy with is not.
      return error instanceof ServerError && error.status === LOST_SESSION;
    }
  }
}
