/**
 * Canned replies: a slash and some letters in the answer field offer them, and a box edits them.
 *
 * It puts a reply into the field and sends nothing. The rule that must not break: without a slash
 * at the beginning no key of the field means anything but itself.
 */
import { ICONS, build } from "../elements.js";
import { attempt, describeRefusal, press } from "./parts.js";

const SHOWN = 6;
const MAX_SHORTCUT = "32";
const MAX_TEXT = "2000";

export class Replies {
  #server;
  #words;
  #field;
  #replies = [];
  #list;
  #matches = [];
  #at = 0;
  #box = null;

  constructor(server, words, field, fail) {
    [this.#server, this.#words, this.#field] = [server, words, field];
    this.#list = build("ul", { class: "reply-list", id: "reply-list", role: "listbox", "aria-label": words.say("replies"), hidden: true });
    this.element = build("div", { class: "reply-place" }, this.#list);
    this.button = press(words.say("replies"), () => this.#edit(), { kind: "act" });
    field.setAttribute("aria-controls", "reply-list");
    field.addEventListener("input", () => this.#match());
    field.addEventListener("blur", () => this.hide());
    this.#read().catch(fail);
  }

  hide() {
    this.#matches = [];
    this.#list.hidden = true;
    this.#field.removeAttribute("aria-activedescendant");
  }

  /** Whether a key of the field was meant for the list. */
  press(event) {
    if (!this.#matches.length) return false;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) this.#move(step);
    else if (event.key === "Enter" || event.key === "Tab") this.#pick(this.#matches[this.#at]);
    else if (event.key === "Escape") this.hide();
    else return false;
    event.preventDefault();
    return true;
  }

  async #read() {
    this.#replies = (await this.#server.get("/console/replies")).replies;
  }

  #match() {
    const { value } = this.#field;
    if (!value.startsWith("/") || value.includes("\n")) return this.hide();
    const wished = value.slice(1).toLowerCase();
    const first = this.#replies.filter(({ shortcut }) => shortcut.toLowerCase().startsWith(wished));
    const more = this.#replies.filter((it) => !first.includes(it) && it.text.toLowerCase().includes(wished));
    this.#matches = [...first, ...more].slice(0, SHOWN);
    this.#at = 0;
    this.#show();
  }

  #show() {
    this.#list.hidden = !this.#matches.length;
    this.#list.replaceChildren(...this.#matches.map((reply, index) => {
      const item = build("li", { id: `reply-${index}`, role: "option", "aria-selected": String(index === this.#at) },
        build("span", { class: "reply-shortcut" }, `/${reply.shortcut}`), " ",
        build("span", { class: "reply-text", dir: "auto" }, reply.text));
      // Before the field loses its focus, which would take the list away.
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        this.#pick(reply);
      });
      return item;
    }));
    if (this.#matches.length) this.#field.setAttribute("aria-activedescendant", `reply-${this.#at}`);
    else this.#field.removeAttribute("aria-activedescendant");
  }

  #move(step) {
    this.#at = (this.#at + step + this.#matches.length) % this.#matches.length;
    this.#show();
  }

  #pick({ text }) {
    this.#field.value = text;
    // As if it had been typed: it may be too long.
    this.#field.dispatchEvent(new Event("input"));
    this.hide();
  }

  /** The box in which they are written; one for the page's life. */
  #edit() {
    this.#box?.remove();
    const words = this.#words;
    const rows = build("div", { class: "reply-rows" });
    const said = build("p", { class: "said", role: "alert" });
    const add = (reply, isNew) => {
      const row = this.#buildRow(reply);
      rows.append(row);
      if (isNew) row.querySelector("input").focus();
    };
    const save = press(words.say("save"), () => attempt(save, () => this.#save(rows), (error) =>
      (said.textContent = describeRefusal(words, error))), { kind: "act main-act" });
    this.#box = build("dialog", { class: "box", "aria-labelledby": "replies-title", closedby: "any" },
      build("header", { class: "box-head" },
        build("h2", { id: "replies-title" }, words.say("replies")),
        press(words.say("close"), () => this.#box.close(), { kind: "tool", icon: ICONS.close, isBare: true })),
      build("p", { class: "soft" }, words.say("repliesText")),
      rows, said,
      build("div", { class: "box-acts" },
        press(words.say("replyAdd"), () => add({ shortcut: "", text: "" }, true)), save));
    for (const reply of this.#replies) add(reply, false);
    this.#box.addEventListener("keydown", (event) => event.stopPropagation());
    document.body.append(this.#box);
    this.#box.addEventListener("close", () => this.#box.remove());
    this.#box.showModal();
  }

  #buildRow({ shortcut, text }) {
    const words = this.#words;
    const row = build("div", { class: "reply-row" });
    const name = build("input", { class: "reply-name", maxlength: MAX_SHORTCUT, "aria-label": words.say("replyShortcut"), placeholder: words.say("replyShortcut") });
    const written = build("textarea", { class: "reply-words", rows: "2", maxlength: MAX_TEXT, "aria-label": words.say("replyText"), placeholder: words.say("replyText"), dir: "auto" });
    [name.value, written.value] = [shortcut, text];
    row.append(name, written, press(words.say("replyDrop"), () => row.remove(), { kind: "tool", icon: ICONS.close, isBare: true }));
    return row;
  }

  async #save(rows) {
    const replies = [...rows.children].map((row) => ({
      shortcut: row.querySelector(".reply-name").value.trim().replace(/^\//, ""),
      text: row.querySelector(".reply-words").value.trim(),
    })).filter(({ shortcut, text }) => shortcut && text);
    await this.#server.put("/console/replies", { replies });
    this.#replies = replies;
    this.#box.close();
    this.#field.focus();
  }
}
