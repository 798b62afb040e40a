/**
 * The way to a person: the control that asks for one, and the banner that says how that stands.
 *
 * It calls nobody itself; it fires `wish` with whether a person is wished for. The rule that must
 * not break: the banner says what the server said, and a wish that did not get through is told so.
 */
import { describeHandoff } from "./phrases.js";

/** While one of these stands there is nothing more to ask for. */
const UNDER_WAY = ["waiting", "human"];

export class Handoff extends EventTarget {
  #banner;
  #text;
  #takeBack;
  #call;
  #isCalling = false;
  #hasFailed = false;
  #contact = "";

  /** `root` holds the frame's parts. */
  constructor(root) {
    super();
    const find = (id) => root.querySelector(`#${id}`);
    [this.#banner, this.#text] = [find("handoff"), find("handoff-text")];
    [this.#takeBack, this.#call] = [find("take-back"), find("call-person")];
    this.#call.addEventListener("click", () => this.#wish(true));
    this.#takeBack.addEventListener("click", () => this.#wish(false));
  }

  /** What the banner says now, or "". */
  get text() {
    return this.#banner.hidden ? "" : this.#text.textContent;
  }

  /** While the call is out its buttons rest. */
  begin() {
    this.#isCalling = true;
    this.#hasFailed = false;
  }

  /** `message` is what the shop says to the wish; null where it did not get through. */
  end(message) {
    this.#isCalling = false;
    this.#hasFailed = message === null;
    this.#contact = message ?? "";
  }

  /** Forgets a failure: it belonged to another conversation, or the customer went on. */
  forget() {
    this.#hasFailed = false;
  }

  show(state, words) {
    const said = this.#hasFailed ? words.say("handoffFailed") : this.#tell(state, words);
    this.#banner.hidden = said === "";
    this.#banner.classList.toggle("calm", !this.#hasFailed);
    if (this.#text.textContent !== said) this.#text.textContent = said;
    this.#call.hidden = UNDER_WAY.includes(state);
    this.#takeBack.hidden = state !== "waiting";
    for (const button of [this.#call, this.#takeBack]) {
      button.setAttribute("aria-disabled", String(this.#isCalling));
    }
  }

  #tell(state, words) {
    const said = describeHandoff(words, state);
    return state === "waiting" && this.#contact ? `${said} ${this.#contact}` : said;
  }

  #wish(isWanted) {
    if (!this.#isCalling) this.dispatchEvent(new CustomEvent("wish", { detail: isWanted }));
  }
}
