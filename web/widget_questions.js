/**
 * What the page around the widget asks, one after another.
 *
 * It touches no page and asks nothing itself. The rule that must not break: what a site asks waits
 * until it can be asked, and is never asked in another conversation than the one it came to.
 */
import { findTurn, listShown } from "./shown.js";

export class Questions {
  #talk;
  #ask;
  #texts = [];

  /** `ask(text)` asks at once; the talk takes nothing while it opens or something is answered. */
  constructor(talk, ask) {
    [this.#talk, this.#ask] = [talk, ask];
    talk.addEventListener("change", () => this.#goOn());
  }

  /** A button of the site that is pressed again while its question is answered asks nothing more. */
  add(text) {
    const asked = listShown(this.#talk.state).findLast(({ role }) => role === "customer")?.text;
    if (this.#texts.includes(text) || (!this.#isFree && asked === text)) return;
    this.#texts.push(text);
    this.#goOn();
  }

  /** Another conversation begins. */
  drop() {
    this.#texts = [];
  }

  get #isFree() {
    return !this.#talk.isOpening && findTurn(this.#talk.state) === null;
  }

  #goOn() {
    if (this.#texts.length && this.#isFree) this.#ask(this.#texts.shift());
  }
}
