/**
 * The search through what was said in a time range; the box decrypts and looks.
 *
 * It fires `choose` with a conversation's id, and `show` with whether its results stand where the
 * list was. The rule that must not break: what was found is shown as text, and an answer that
 * comes after a newer question is dropped.
 */
import { isComposed } from "../composing.js";
import { build } from "../elements.js";
import {
  choose, describeRefusal, describeTime, field, nameOf, press, sayOf,
} from "./parts.js";

const DAY_MS = 86_400_000;
const DAYS = Object.freeze(["1", "7", "30", "90"]);

export class Search extends EventTarget {
  #server;
  #words;
  #days = "7";
  #input;
  #results;
  #asked = 0;

  constructor(server, words) {
    super();
    [this.#server, this.#words] = [server, words];
    this.element = this.#build();
  }

  #build() {
    const words = this.#words;
    this.#input = build("input", { id: "search", type: "search", maxlength: "200", autocomplete: "off" });
    this.#results = build("div", { class: "found", hidden: true });
    const days = DAYS.map((it) => [it, words.say("lastDays", { count: it })]);
    const form = build("form", { class: "search", role: "search" },
      field(words.say("search"), this.#input),
      field(words.say("searchRange"), choose("search-range", days, this.#days, (value) => {
        this.#days = value;
        if (this.#input.value.trim()) this.#find();
      })),
      build("button", { class: "act", type: "submit" }, words.say("searchGo")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#find();
    });
    this.#input.addEventListener("input", () => !this.#input.value.trim() && this.#clear());
    this.#input.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || isComposed(event)) return;
      this.#input.value = "";
      this.#clear();
    });
    return build("div", { class: "search-box" }, form, this.#results);
  }

  async #find() {
    const query = this.#input.value.trim();
    if (!query) return this.#clear();
    const asked = (this.#asked += 1);
    this.#show(build("p", { class: "empty", role: "status" }, this.#words.say("searching")));
    const toMs = Date.now();
    const range = new URLSearchParams({
      q: query, from_ms: String(toMs - Number(this.#days) * DAY_MS), to_ms: String(toMs),
    });
    try {
      const answer = await this.#server.get(`/console/search?${range}`);
      if (asked === this.#asked) this.#showFound(answer);
    } catch (error) {
      if (!error.code) throw error;
      if (asked !== this.#asked) return;
      this.#show(build("p", { class: "empty", role: "status" }, describeRefusal(this.#words, error)));
    }
  }

  #showFound({ found, is_cut: isCut }) {
    const words = this.#words;
    const said = words.say(isCut ? "foundCut" : "found", { count: found.length });
    const items = found.map(({ id, at_ms: atMs, role, text }) => build("li", {},
      this.#buildHit(id, [sayOf(words, "who", role), nameOf(id), describeTime(atMs, words)].join(" · "), text)));
    this.#show(
      build("p", { class: "empty", role: "status" }, said),
      build("ul", { class: "rows", "aria-label": words.say("searchFound") }, ...items));
  }

  #buildHit(id, about, text) {
    const button = build("button", { class: "row", type: "button" },
      build("span", { class: "row-head" }, build("span", { class: "row-name" }, about)),
      build("span", { class: "row-text found-text", dir: "auto" }, text));
    button.addEventListener("click", () => this.dispatchEvent(new CustomEvent("choose", { detail: id })));
    return button;
  }

  #show(...parts) {
    const words = this.#words;
    const back = press(words.say("searchEnd"), () => {
      this.#input.value = "";
      this.#clear();
      this.#input.focus();
    }, { kind: "plain" });
    this.#results.replaceChildren(back, ...parts);
    this.#results.hidden = false;
    this.dispatchEvent(new CustomEvent("show", { detail: true }));
  }

  #clear() {
    this.#asked += 1;
    this.#results.hidden = true;
    this.#results.replaceChildren();
    this.dispatchEvent(new CustomEvent("show", { detail: false }));
  }
}
