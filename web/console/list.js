/**
 * The live list on the page: one row for each conversation, filters above, a search beside them.
 *
 * It asks nobody; it fires `choose` (an id), `filter` (what is wished for), `more`. The rules that
 * must not break: a row that did not change is not touched, so 200 of them cost nothing while one
 * moves, and the focus stays with the row that has it.
 */
import { build, setText } from "../elements.js";
import { chip, choose, describeTime, describeWait, field, nameOf, press, sayOf } from "./parts.js";
import { ANY, RUNGS, STATES, nameState } from "./rows.js";

const TICK_MS = 1000;

export class List extends EventTarget {
  #words;
  #element;
  #items = new Map();
  #order = [];
  #filter = ANY;
  #chosen = "";
  #parts = {};
  #timer;

  constructor(words) {
    super();
    this.#words = words;
    this.#element = this.#build();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  get element() {
    return this.#element;
  }

  get filter() {
    return this.#filter;
  }

  close() {
    clearInterval(this.#timer);
  }

  /** Fits the page to `rows`, which are in their order. */
  show(rows, hasMore) {
    const wanted = new Set(rows.map(({ id }) => id));
    for (const [id, item] of this.#items) {
      if (wanted.has(id)) continue;
      item.element.remove();
      this.#items.delete(id);
    }
    this.#order = rows.map(({ id }) => id);
    rows.forEach((row, index) => this.#place(row, index));
    this.#parts.empty.hidden = rows.length > 0;
    this.#parts.more.hidden = !hasMore;
    this.#rove();
  }

  /** `counts` are of all conversations, by state. */
  showCounts(counts) {
    for (const [state, button] of this.#parts.states) {
      const count = state ? counts[state] ?? 0 : STATES.reduce((sum, it) => sum + (counts[it] ?? 0), 0);
      setText(button.querySelector(".count"), String(count));
    }
  }

  /** What could not be read, or "". */
  say(text) {
    setText(this.#parts.said, text);
  }

  mark(id) {
    this.#chosen = id;
    for (const [each, item] of this.#items) item.mark(each === id);
    this.#rove();
  }

  /** The customer of a row is typing, or no more. */
  showTyping(id, isTyping) {
    this.#items.get(id)?.showTyping(isTyping);
  }

  focus() {
    (this.#items.get(this.#chosen) ?? this.#items.get(this.#order[0]))?.button.focus();
  }

  #build() {
    const words = this.#words;
    this.#parts.rows = build("ul", { class: "rows", "aria-label": words.say("conversations") });
    this.#parts.rows.addEventListener("keydown", (event) => this.#walk(event));
    this.#parts.said = build("p", { class: "said", role: "alert" });
    this.#parts.empty = build("p", { class: "empty", hidden: true }, words.say("listEmpty"));
    this.#parts.more = press(words.say("listMore"), () => this.dispatchEvent(new Event("more")), { kind: "plain", hidden: true });
    return build("div", { class: "list" }, this.#buildFilters(), this.#parts.said,
      this.#parts.empty, this.#parts.rows, this.#parts.more);
  }

  #buildFilters() {
    const words = this.#words;
    this.#parts.states = new Map(["", ...STATES].map((state) => {
      const button = build("button", { class: "state-choice", type: "button", "aria-pressed": String(!state) },
        words.say(state ? `state_${state}` : "stateAll"), " ", build("span", { class: "count" }));
      button.addEventListener("click", () => this.#change({ state }));
      return [state, button];
    }));
    const rungs = [["", words.say("anyRung")], ...RUNGS.map((it) => [it, words.say(`rung_${it}`)])];
    const languages = [["", words.say("anyLanguage")], ["zh", words.say("language_zh")], ["en", words.say("language_en")]];
    const mine = build("button", { class: "state-choice", type: "button", "aria-pressed": "false" }, words.say("onlyMine"));
    mine.addEventListener("click", () => {
      this.#change({ isMine: !this.#filter.isMine });
      mine.setAttribute("aria-pressed", String(this.#filter.isMine));
    });
    return build("div", { class: "filters" },
      build("div", { class: "states", role: "group", "aria-label": words.say("filterState") },
        ...this.#parts.states.values(), mine),
      build("details", { class: "more-filters" }, build("summary", {}, words.say("moreFilters")), build("div", { class: "selects" },
        field(words.say("rung"), choose("filter-rung", rungs, "", (rung) => this.#change({ rung }))),
        field(words.say("languageOf"), choose("filter-language", languages, "", (language) => this.#change({ language }))))));
  }

  #change(changed) {
    this.#filter = { ...this.#filter, ...changed };
    for (const [state, button] of this.#parts.states) {
      button.setAttribute("aria-pressed", String(state === this.#filter.state));
    }
    this.dispatchEvent(new Event("filter"));
  }

  #place(row, index) {
    let item = this.#items.get(row.id);
    if (!item) {
      item = new Item(row.id, () => this.dispatchEvent(new CustomEvent("choose", { detail: row.id })));
      this.#items.set(row.id, item);
    }
    item.show(row, this.#words);
    item.mark(row.id === this.#chosen);
    const standing = this.#parts.rows.children[index];
    if (standing === item.element) return;
    const hadFocus = item.element.contains(document.activeElement);
    this.#parts.rows.insertBefore(item.element, standing ?? null);
    if (hadFocus) item.button.focus();
  }

  /** One stop for the Tab key, the arrows for the rest. */
  #rove() {
    const focused = this.#order.find((id) => this.#items.get(id).button === document.activeElement);
    const stop = focused ?? (this.#items.has(this.#chosen) ? this.#chosen : this.#order[0]);
    for (const [id, { button }] of this.#items) button.tabIndex = id === stop ? 0 : -1;
  }

  #walk(event) {
    const at = this.#order.findIndex((id) => this.#items.get(id).button === document.activeElement);
    const last = this.#order.length - 1;
    const to = { ArrowDown: Math.min(at + 1, last), ArrowUp: Math.max(at - 1, 0), Home: 0, End: last }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    this.#items.get(this.#order[to]).button.focus();
    this.#rove();
  }

  #tick() {
    for (const item of this.#items.values()) item.tick();
  }
}

class Item {
  #shown = "";
  #row = null;
  #words = null;

  constructor(id, onPress) {
    this.wait = build("span", { class: "row-wait" });
    this.name = build("span", { class: "row-name" }, nameOf(id));
    this.chips = build("span", { class: "row-chips" });
    this.text = build("span", { class: "row-text", dir: "auto" });
    this.button = build("button", { class: "row", type: "button" },
      build("span", { class: "row-head" }, this.name, this.wait), this.text, this.chips);
    this.button.addEventListener("click", onPress);
    this.element = build("li", {}, this.button);
  }

  show(row, words) {
    const told = JSON.stringify(row);
    if (told === this.#shown && words === this.#words) return;
    [this.#shown, this.#row, this.#words] = [told, row, words];
    this.button.dataset.state = row.state;
    setText(this.text, row.last_text || words.say("nothingSaid"));
    this.text.classList.toggle("row-own", row.last_role !== "customer");
    this.chips.replaceChildren(...listChips(row, words));
    this.tick();
  }

  mark(isChosen) {
    if (isChosen) this.button.setAttribute("aria-current", "true");
    else this.button.removeAttribute("aria-current");
  }

  showTyping(isTyping) {
    if (isTyping === this.button.classList.contains("row-typing")) return;
    this.button.classList.toggle("row-typing", isTyping);
    if (isTyping) setText(this.text, this.#words.say("customerTypes"));
    else this.#restore();
  }

  #restore() {
    this.#shown = "";
    this.show(this.#row, this.#words);
  }

  tick() {
    const { state, since_ms: sinceMs, last_at_ms: lastAtMs } = this.#row;
    const isWaiting = state === "waiting";
    setText(this.wait, isWaiting ? describeWait(Date.now() - sinceMs)
      : lastAtMs ? describeTime(lastAtMs, this.#words) : "");
  }
}

/** What a row tells beside its words. */
function listChips(row, words) {
  const chips = [chip(sayOf(words, "state", row.state), nameState(row))];
  if (row.is_running) chips.push(chip(words.say("isRunning"), "busy"));
  if (row.is_held) chips.push(chip(words.say("isHeld"), "held"));
  if (RUNGS.includes(row.rung)) chips.push(chip(words.say(`rung_${row.rung}`)));
  if (row.language) chips.push(chip(sayOf(words, "language", row.language)));
  if (row.assigned_to) chips.push(chip(row.assigned_to, "who"));
  if (row.contact) chips.push(chip(words.say("hasContact"), "contact"));
  return chips;
}
