/**
 * What stands beside a conversation: who it is assigned to, notes, the contact, the rating.
 *
 * It fires `change` after what it changed. The rule that must not break: notes are the staff's own;
 * nothing here is ever shown to the customer.
 */
import { build, setText } from "../elements.js";
import { attempt, describeTime, press } from "./parts.js";

const MAX_NOTE = "2000";
const STARS = 5;

export class Aside extends EventTarget {
  #server;
  #words;
  #path;
  #fail;
  #assign;
  #notes;
  #facts;
  #title;
  #assigned = "";
  #note = null;

  constructor(server, words, path, fail) {
    super();
    [this.#server, this.#words, this.#path, this.#fail] = [server, words, path, fail];
    this.element = this.#build();
    if (server.mayChange) this.#readOperators();
  }

  show(row, notes, csat) {
    this.#assigned = row.assigned_to ?? "";
    if (this.#assign) this.#choose(this.#assigned);
    this.#showFacts(row, csat);
    setText(this.#title, this.#words.say("aside", { count: notes.length }));
    const items = notes.map(({ text, account, at_ms: atMs }) => build("li", {},
      build("p", { class: "said-who", dir: "auto" }, `${account} · ${describeTime(atMs, this.#words)}`),
      build("p", { class: "note-text", dir: "auto" }, text)));
    this.#notes.replaceChildren(...items);
  }

  showOperators(names) {
    for (const name of names) this.#addOption(name);
  }

  /** The note that was not added yet. */
  get unsent() {
    return this.#note?.value ?? "";
  }

  takeUnsent(text) {
    if (this.#note) this.#note.value = text;
  }

  #build() {
    const words = this.#words;
    this.#title = build("summary", {}, words.say("aside", { count: 0 }));
    this.#facts = build("dl", { class: "aside-facts" });
    this.#notes = build("ul", { class: "notes-list", "aria-label": words.say("notes") });
    const parts = [this.#facts];
    if (this.#server.mayChange) parts.push(this.#buildAssign());
    parts.push(build("h3", {}, words.say("notes")), this.#notes);
    if (this.#server.mayChange) parts.push(this.#buildNote());
    return build("details", { class: "aside", open: matchMedia("(min-width: 80rem)").matches },
      this.#title, build("div", { class: "aside-body" }, ...parts));
  }

  #buildAssign() {
    const words = this.#words;
    this.#assign = build("select", { id: "assign" }, build("option", { value: "", disabled: true }, words.say("nobody")));
    this.#assign.addEventListener("change", () => attempt(this.#assign, async () => {
      await this.#server.post(`${this.#path}/assign`, { account: this.#assign.value });
      this.dispatchEvent(new Event("change"));
    }, (error) => {
      this.#choose(this.#assigned);
      this.#fail(error);
    }));
    return build("div", { class: "field" },
      build("label", { for: "assign" }, words.say("assign")), this.#assign);
  }

  #buildNote() {
    const words = this.#words;
    const field = build("textarea", { id: "note", rows: "2", maxlength: MAX_NOTE, dir: "auto" });
    this.#note = field;
    const add = press(words.say("noteAdd"), async () => {
      const text = field.value.trim();
      if (!text) return;
      const isKept = await attempt(add, () => this.#server.post(`${this.#path}/notes`, { text }), this.#fail);
      if (!isKept) return;
      if (field.value.trim() === text) field.value = "";
      this.dispatchEvent(new Event("change"));
      field.focus();
    });
    return build("div", { class: "field" },
      build("label", { for: "note" }, words.say("noteLabel")), field, add);
  }

  #showFacts({ contact, place }, csat) {
    const words = this.#words;
    const facts = [];
    if (contact) facts.push(["contactLeft", typeof contact === "string" ? contact : words.say("hasContact")]);
    if (place) facts.push(["place", String(place)]);
    if (csat) facts.push(["csat", describeRating(csat)]);
    this.#facts.hidden = facts.length === 0;
    this.#facts.replaceChildren(...facts.map(([key, value]) => build("div", {},
      build("dt", {}, words.say(key)), build("dd", { dir: "auto" }, value))));
  }

  async #readOperators() {
    try {
      const { operators } = await this.#server.get("/console/operators");
      for (const each of operators) this.#addOption(typeof each === "string" ? each : each.name ?? each.account);
      this.#choose(this.#assigned);
    } catch (error) {
      if (!error.code) throw error;
    }
  }

  #addOption(name) {
    if (!this.#assign || [...this.#assign.options].some(({ value }) => value === name)) return;
    this.#assign.append(build("option", { value: name }, name));
  }

  #choose(name) {
    if (name) this.#addOption(name);
    this.#assign.value = name;
  }
}

function describeRating({ stars, comment }) {
  const shown = "★".repeat(stars) + "☆".repeat(Math.max(0, STARS - stars));
  return comment ? `${shown} ${comment}` : shown;
}
