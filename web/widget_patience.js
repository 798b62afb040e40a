/**
 * How often a widget looks for an appliance that is off: on a page of somebody else's, seldom.
 *
 * It knows no conversation. The rule that must not break: while nobody looks at the panel nobody
 * is asked, so the page around it never fills with failed calls; a touch of the panel asks at once.
 */
const FIRST_MS = 2000;
const LONGEST_MS = 300_000;

export class Patience {
  #checkHealth;
  #wait;
  #failures = 0;
  #isOpen = false;
  #wake = () => {};

  /** `wait(ms)` resolves after that time. */
  constructor(checkHealth, wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))) {
    this.#checkHealth = checkHealth;
    this.#wait = wait;
  }

  show(isOpen) {
    this.#isOpen = isOpen;
    if (isOpen) this.hurry();
  }

  /** The visitor does something: what waits here is tried now, and the next try waits for nothing. */
  hurry() {
    this.#failures = 0;
    this.#wake();
  }

  /** In the place of the server's call of that name: at once while all is well. */
  checkHealth = async () => {
    if (this.#failures > 0) await this.#rest();
    try {
      const health = await this.#checkHealth();
      this.#failures = 0;
      return health;
    } catch (error) {
      this.#failures += 1;
      throw error;
    }
  };

  async #rest() {
    const ms = Math.min(FIRST_MS * 2 ** (this.#failures - 1), LONGEST_MS);
    await Promise.race([this.#sleep(), ...(this.#isOpen ? [this.#wait(ms)] : [])]);
  }

  #sleep() {
    return new Promise((resolve) => (this.#wake = resolve));
  }
}
