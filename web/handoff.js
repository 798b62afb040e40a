/**
 * The way to a person: the button that asks for one. What is shown of the staff is staff.js's.
 *
 * That is loaded when a hand-over begins, not before. The rule that must not break: a press that
 * could not be followed leaves the button as it was, and the page looks whether the line is dead.
 */

/** While one of these stands there is nothing more to ask for. */
const UNDER_WAY = ["waiting", "human"];

export class Handoff {
  #conversation;
  #call;
  #staff = null;
  #loading = null;

  constructor(conversation) {
    this.#conversation = conversation;
    this.#call = conversation.querySelector("#call-person");
    this.#call.addEventListener("click", async () => (await this.#load())?.wish(true));
  }

  /** What stands of it on the page, or "". */
  get text() {
    return this.#staff?.text ?? "";
  }

  /** The customer went on: what was told of a wish is old. */
  forget() {
    this.#staff?.forget();
  }

  /** Another comes: what was typed goes too. */
  clear() {
    this.#staff?.clear();
  }

  async rate(id) {
    (await this.#load())?.rate(id);
  }

  async show(state, words) {
    this.#call.hidden = UNDER_WAY.includes(state.handoff);
    if (this.#staff) this.#staff.show(state, words);
    else if (state.handoff !== "bot") await this.#load();
  }

  async #load() {
    const conversation = this.#conversation;
    this.#loading ??= import("./staff.js").then(({ join }) => join(conversation));
    try {
      return (this.#staff ??= await this.#loading);
    } catch {
      this.#loading = null;
      conversation.connection.check();
      return null;
    }
  }
}
