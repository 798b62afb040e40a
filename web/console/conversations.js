/**
 * The tab of conversations: the live list, the search, and the conversation that was chosen.
 *
 * It joins list and thread with the server and builds little itself. The rules that must not break:
 * the list is read anew after every cut of its stream, and a new wish is told once, aloud, in the
 * title and to screen readers.
 */
import { build } from "../elements.js";
import { HoldAll } from "./hold_all.js";
import { List } from "./list.js";
import { describeRefusal, nameOf } from "./parts.js";
import { Reading } from "./reading.js";
import { Rows } from "./rows.js";
import { Search } from "./search.js";
import { Thread } from "./thread.js";

const PAGE = 100;
const COUNT_MS = 400;
const TYPING_MS = 5000;

export function open(root, server, words, alerts, unsent) {
  return new Desk(root, server, words, alerts, unsent);
}

class Desk {
  #server;
  #words;
  #alerts;
  #desk;
  #status;
  #operators;
  #holdAll;
  #rows = new Rows();
  #list;
  #search;
  #thread = null;
  #unsent;
  #next = null;
  #isRead = false;
  #reading;
  #stream;
  #counting = 0;
  #typing = new Map();

  constructor(root, server, words, alerts, unsent) {
    [this.#server, this.#words, this.#alerts, this.#unsent] = [server, words, alerts, unsent];
    this.#list = new List(words);
    this.#search = new Search(server, words);
    this.#status = build("p", { class: "unseen", role: "status" });
    this.#operators = build("p", { class: "operators soft" });
    this.#holdAll = new HoldAll(server, words);
    this.#desk = build("div", { class: "desk" },
      build("section", { class: "side", "aria-label": words.say("conversations") },
        this.#search.element, this.#list.element,
        build("div", { class: "side-end" }, this.#operators, this.#holdAll.element)),
      build("section", { class: "thread-place", "aria-label": words.say("chosen") },
        build("p", { class: "empty" }, words.say("chooseOne"))),
      this.#status);
    root.append(this.#desk);
    this.#reading = new Reading(() => this.#ask(""), {
      answer: (asked) => this.#begin(asked),
      failed: (error) => this.#list.say(describeRefusal(words, error)),
    });
    this.#join();
  }

  close() {
    this.#reading.close();
    this.#stream.close();
    this.#list.close();
    this.#closeThread();
    clearTimeout(this.#counting);
    for (const timer of this.#typing.values()) clearTimeout(timer);
    this.#alerts.showWaiting(0);
  }

  #join() {
    const list = this.#list;
    list.addEventListener("choose", ({ detail }) => this.#choose(detail));
    list.addEventListener("filter", () => this.#reading.read());
    list.addEventListener("more", () => this.#readMore());
    this.#search.addEventListener("choose", ({ detail }) => this.#choose(detail));
    this.#search.addEventListener("show", ({ detail }) => (list.element.hidden = detail));
    this.#stream = this.#server.stream("/console/events", (event) => this.#take(event));
  }

  #take({ type, data }) {
    if (type === "joined") this.#reading.read();
    if (type === "conversation") this.#takeRow(data);
    if (type === "removed") this.#remove(data.id);
    if (type === "typing" && data.who === "customer") this.#showTyping(data.id);
    if (type === "operators") {
      this.#showOperators(data.names ?? []);
      this.#holdAll.show(data.is_held);
    }
  }

  #takeRow(row) {
    const before = this.#rows.get(row.id);
    const isNew = this.#rows.put(row);
    this.#show();
    if (before?.last_at_ms !== row.last_at_ms) this.#list.showTyping(row.id, false);
    this.#thread?.takeRow(row);
    if (isNew && this.#isRead) this.#call(row);
    this.#countSoon();
  }

  #remove(id) {
    this.#rows.remove(id);
    this.#unsent.delete(id);
    this.#show();
    if (this.#thread?.id === id) this.#thread.lose();
    this.#countSoon();
  }

  #call({ id }) {
    this.#alerts.showWaiting(this.#rows.count("waiting"));
    this.#alerts.call(() => this.#choose(id));
    this.#say(this.#words.say("sayNewWish", { name: nameOf(id) }));
  }

  /** What is wished for, from its beginning. */
  #begin({ answer, filter, told }) {
    if (filter !== this.#list.filter) return;
    this.#rows.replace(answer.conversations, told);
    this.#isRead = true;
    this.#showPage(answer);
  }

  async #readMore() {
    const { filter } = this.#list;
    try {
      const { answer, told } = await this.#ask(this.#next);
      if (filter !== this.#list.filter) return;
      this.#rows.add(answer.conversations, told);
      this.#showPage(answer);
    } catch (error) {
      if (!error.code) throw error;
      if (filter === this.#list.filter) this.#list.say(describeRefusal(this.#words, error));
    }
  }

  /** A page of the list, with what it was asked for. */
  async #ask(before) {
    const { filter } = this.#list;
    const { told } = this.#rows;
    const { state, rung, language } = filter;
    const query = new URLSearchParams({ limit: String(PAGE) });
    for (const [name, value] of Object.entries({ state, rung, language, before })) {
      if (value !== "" && value !== null) query.set(name, String(value));
    }
    return { answer: await this.#server.get(`/console/conversations?${query}`), filter, told };
  }

  #showPage({ counts, next }) {
    this.#next = next ?? null;
    this.#list.say("");
    this.#list.showCounts(counts);
    this.#alerts.showWaiting(counts.waiting ?? 0);
    this.#show();
  }

  #show() {
    this.#list.show(this.#rows.list(this.#list.filter, this.#server.account), this.#next !== null);
  }

  /** The numbers of all, also of those that this page does not hold; not with every event. */
  #countSoon() {
    clearTimeout(this.#counting);
    this.#counting = setTimeout(async () => {
      const answer = await this.#server.get("/console/conversations?limit=1").catch(() => null);
      if (!answer) return;
      this.#list.showCounts(answer.counts);
      this.#alerts.showWaiting(answer.counts.waiting ?? 0);
    }, COUNT_MS);
  }

  #showTyping(id) {
    clearTimeout(this.#typing.get(id));
    this.#list.showTyping(id, true);
    if (this.#thread?.id === id) this.#thread.showTyping(true);
    this.#typing.set(id, setTimeout(() => {
      this.#list.showTyping(id, false);
      if (this.#thread?.id === id) this.#thread.showTyping(false);
    }, TYPING_MS));
  }

  #showOperators(names) {
    this.#operators.textContent = names.length
      ? this.#words.say("operatorsHere", { names: names.join(this.#words.say("listComma")) }) : "";
    this.#thread?.showOperators(names);
  }

  #choose(id) {
    if (this.#thread?.id === id) return this.#thread.lookAgain();
    this.#closeThread();
    const place = this.#desk.querySelector(".thread-place");
    place.replaceChildren();
    this.#desk.classList.add("has-thread");
    this.#list.mark(id);
    this.#thread = new Thread(place, this.#server, this.#words, id, this.#unsent.get(id));
    this.#thread.addEventListener("leave", () => this.#leaveThread());
  }

  /** What the operator typed is there again when the conversation is. */
  #closeThread() {
    if (!this.#thread) return;
    this.#unsent.set(this.#thread.id, this.#thread.unsent);
    this.#thread.close();
    this.#thread = null;
  }

  #leaveThread() {
    this.#closeThread();
    this.#desk.classList.remove("has-thread");
    this.#desk.querySelector(".thread-place").replaceChildren(
      build("p", { class: "empty" }, this.#words.say("chooseOne")));
    this.#list.focus();
    this.#list.mark("");
  }

  #say(text) {
    this.#status.textContent = text;
  }
}
