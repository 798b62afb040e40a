/**
 * The few values that outlive a reload: the conversation's id, language, theme, unsent words.
 *
 * It holds no conversation; that is the server's. The rule that must not break: a browser that
 * forbids storage loses the memory, never the page.
 */
export class Kept {
  #key;
  #value = null;
  #place;

  /** `place` gives the storage; it may throw where storage is forbidden. */
  constructor(key, place = () => localStorage) {
    this.#key = `appliance.${key}`;
    this.#place = place;
    this.#value = this.#try((storage) => storage.getItem(this.#key));
  }

  get() {
    return this.#value;
  }

  set(value) {
    this.#value = value;
    this.#try((storage) =>
      value === null ? storage.removeItem(this.#key) : storage.setItem(this.#key, value));
  }

  #try(act) {
    try {
      return act(this.#place()) ?? null;
    } catch {
      return null;
    }
  }
}
