/**
 * The box of past conversations: to find one again, open, name, save or delete it.
 *
 * It is loaded when it is first asked for. What was said is read from the server while the box is
 * open and forgotten with its closing. The rule that must not break: nothing is deleted by one
 * press, and what could not be deleted stays in the list.
 */
import { ICONS, build, button, draw, setText } from "./elements.js";
import { download, formatTime, writeJson, writeText } from "./export.js";
import { label } from "./language.js";
import { findIn, summarise } from "./past_search.js";
import { LOST_SESSION } from "./server.js";
import { BOXES } from "./words_boxes.js";

const MOST_AT_ONCE = 4;
const ACTS = [
  ["rename", "pastRename"], ["text", "pastText"], ["json", "pastJson"], ["delete", "pastDelete"],
];

/** Fires `open` and `delete`, with the conversation's id in `detail`. */
export class PastList extends EventTarget {
  #server;
  #past;
  #words;
  #box = buildBox();
  #histories = new Map();
  #current = null;
  #busy = { id: null, act: null };
  #renamed = null;
  #trouble = "";

  constructor(root, server, past) {
    super();
    this.#server = server;
    this.#past = past;
    root.append(this.#box);
    this.#find("#close-past").addEventListener("click", () => this.#box.close());
    this.#find("#past-query").addEventListener("input", () => this.#show());
    this.#find("#past-list").addEventListener("click", (event) => this.#press(event));
    this.#find("#past-list").addEventListener("submit", (event) => this.#rename(event));
    this.#box.addEventListener("close", () => this.#histories.clear());
  }

  /** `current` is the id of the conversation that is open. */
  async open(words, current) {
    [this.#words, this.#current, this.#trouble] = [words.with(BOXES), current, ""];
    this.#endActs();
    label(this.#box, this.#words);
    this.#find("#past-query").value = "";
    this.#box.showModal();
    this.#show();
    await this.#readAll();
  }

  /** Says that the conversation could not be deleted. */
  fail() {
    this.#trouble = "pastFailed";
    this.#show();
  }

  show() {
    this.#show();
  }

  #find(selector) {
    return this.#box.querySelector(selector);
  }

  async #readAll() {
    const left = this.#past.list().map(({ id }) => id);
    const readers = Array.from({ length: MOST_AT_ONCE }, async () => {
      while (left.length && this.#box.open) await this.#read(left.shift());
    });
    await Promise.all(readers);
  }

  async #read(id) {
    try {
      const history = await this.#server.readHistory(id);
      if (this.#box.open) this.#histories.set(id, history);
    } catch (error) {
      if (error.status === LOST_SESSION) this.#past.drop(id);
      else this.#trouble = "pastUnread";
    }
    this.#show();
  }

  /** Where a search is under way only what was found; a conversation without a word never. */
  #show(focus = null) {
    const query = this.#find("#past-query").value;
    const rows = this.#past.list().map((entry) => this.#describe(entry, query))
      .filter(({ isShown }) => isShown).sort((a, b) => b.atMs - a.atMs);
    const focused = focus ?? readFocus(this.#box);
    this.#place(rows.map((row) => this.#build(row)));
    const nothing = query.trim() ? "pastNothingFound" : "pastNothing";
    const said = this.#trouble || (rows.length ? "" : nothing);
    setText(this.#find("#past-said"), said && this.#words.say(said));
    if (focused) this.#box.querySelector(focused)?.focus();
  }

  /** What is being renamed is not moved: an input method would lose the word it composes. */
  #place(items) {
    const list = this.#find("#past-list");
    const at = items.indexOf(this.#renamed);
    if (at < 0 || !list.contains(this.#renamed)) return list.replaceChildren(...items);
    for (const each of [...list.children]) if (each !== this.#renamed) each.remove();
    this.#renamed.before(...items.slice(0, at));
    this.#renamed.after(...items.slice(at + 1));
  }

  #describe({ id, name }, query) {
    const history = this.#histories.get(id);
    const { title, atMs, count } = history ? summarise(history) : { title: "", atMs: null, count: 1 };
    const found = history && findIn(history, query);
    const isNamed = name.toLowerCase().includes(query.trim().toLowerCase());
    return {
      id, found, atMs: atMs ?? 0, name: name || title,
      title: name || title || this.#words.say(history ? "pastUntitled" : "pastReading"),
      when: atMs === null ? "" : formatTime(atMs, this.#words),
      isShown: count > 0 && (!query.trim() || Boolean(found) || (name !== "" && isNamed)),
    };
  }

  #build(row) {
    const isBusy = this.#busy.id === row.id;
    if (isBusy && this.#renamed) return this.#renamed;
    const isOpen = row.id === this.#current;
    const open = build("button", { class: "past-open", type: "button", "aria-current": isOpen && "true" },
      build("span", { class: "past-title", dir: "auto" }, row.title),
      build("span", { class: "past-when" },
        [isOpen ? this.#words.say("pastCurrent") : "", row.when].filter(Boolean).join(" · ")));
    if (row.found) open.append(buildExcerpt(row.found));
    const name = this.#words.say("pastMore", { title: row.title });
    const more = build("button", {
      class: "tool past-more", type: "button", "aria-label": name, title: name,
      "aria-expanded": String(isBusy),
    }, draw(ICONS.more));
    const item = build("li", { class: "past-item", "data-id": row.id }, open, more);
    if (isBusy) item.append(this.#buildActs(row));
    if (isBusy && this.#busy.act === "rename") this.#renamed = item;
    label(item, this.#words);
    return item;
  }

  #buildActs({ name }) {
    if (this.#busy.act === "rename") {
      const field = build("input", {
        class: "past-name", "data-words-label": "pastName", maxlength: "60", autocomplete: "off",
        value: name,
      });
      return build("form", { class: "past-acts" }, field,
        button("past-act", { words: "pastSave", type: "submit" }));
    }
    if (this.#busy.act === "delete") {
      return build("div", { class: "past-acts" },
        build("p", { "data-words": "pastSure" }),
        button("past-act past-sure", { words: "pastDelete", "data-act": "sure" }),
        button("past-act", { words: "pastKeep", "data-act": "keep" }));
    }
    return build("div", { class: "past-acts" },
      ...ACTS.map(([act, words]) => button("past-act", { words, "data-act": act })));
  }

  #press({ target }) {
    const pressed = target.closest("button");
    const id = pressed?.closest(".past-item").dataset.id;
    if (pressed?.matches(".past-open")) this.#leave(id);
    else if (pressed?.matches(".past-more")) this.#turn(id, this.#busy.id === id ? null : "choose");
    else if (pressed?.dataset.act) this.#act(id, pressed.dataset.act);
  }

  #leave(id) {
    this.#box.close();
    this.#tell("open", id);
  }

  #act(id, act) {
    const history = this.#histories.get(id);
    const file = this.#words.say("exportName");
    if (act === "text" && history) {
      download(`${file}.txt`, "text/plain;charset=utf-8", writeText(history, this.#words));
    } else if (act === "json" && history) {
      download(`${file}.json`, "application/json", writeJson(history));
    } else if (act === "sure") {
      this.#turn(id, null);
      this.#tell("delete", id);
    } else if (act === "rename" || act === "delete") this.#turn(id, act);
    else if (act === "keep") this.#turn(id, null);
  }

  #endActs() {
    this.#busy = { id: null, act: null };
    this.#renamed = null;
  }

  /** The focus goes where the next press is wanted, never to the one that deletes. */
  #turn(id, act) {
    this.#endActs();
    if (act) this.#busy = { id, act };
    const item = `.past-item[data-id="${CSS.escape(id)}"]`;
    const next = { rename: ".past-name", delete: '[data-act="keep"]' };
    this.#show(`${item} ${next[act] ?? ".past-more"}`);
  }

  #rename(event) {
    event.preventDefault();
    const { id } = event.target.closest(".past-item").dataset;
    this.#past.rename(id, event.target.querySelector("input").value.trim());
    this.#turn(id, null);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function buildBox() {
  return build("dialog", { id: "past", closedby: "any", "aria-labelledby": "past-title" },
    build("header", { class: "about-top" },
      build("h2", { id: "past-title", "data-words": "past" }),
      button("tool", { name: "close", icon: ICONS.close, id: "close-past" })),
    build("input", {
      id: "past-query", type: "search", autocomplete: "off", enterkeyhint: "search",
      "data-words-label": "pastSearch", "data-words-placeholder": "pastSearch",
    }),
    build("p", { id: "past-said", role: "status" }),
    build("ul", { id: "past-list" }),
    build("p", { class: "past-note", "data-words": "pastNote" }));
}

function buildExcerpt({ before, hit, after }) {
  return build("span", { class: "past-found", dir: "auto" }, before, build("mark", {}, hit), after);
}

/** How to find the focused part again once the list is built anew. */
function readFocus(box) {
  const focused = document.activeElement;
  const item = box.contains(focused) && focused.closest(".past-item");
  if (!item) return null;
  const part = focused.dataset.act ? `[data-act="${focused.dataset.act}"]` : `.${focused.classList.item(focused.classList.length - 1)}`;
  return `.past-item[data-id="${CSS.escape(item.dataset.id)}"] ${part}`;
}
