/**
 * One conversation: its messages as they come, whom it belongs to, and what may be done with it.
 *
 * It keeps the state and joins the parts; the acts are acts.js's, the answer field answering.js's.
 * The rule that must not break: what stands here is what the server has said, so after every cut
 * and every end of an answer it is read anew.
 */
import { ICONS, build, setText } from "../elements.js";
import { Scroll } from "../scroll.js";
import { Acts } from "./acts.js";
import { Answering } from "./answering.js";
import { Aside } from "./aside.js";
import { Drafts } from "./drafts.js";
import { Messages } from "./message.js";
import { chip, describeRefusal, describeWait, isLeaving, nameOf, press, sayOf } from "./parts.js";
import { Reading } from "./reading.js";
import { nameState } from "./rows.js";
import { EMPTY, open, take } from "./thread_state.js";

const TICK_MS = 1000;
const WRITTEN = ["answering", "drafts", "aside"];
const ENDS = ["done", "error", "rewind", "feedback"];

/** Fires `leave` when the operator goes back to the list. */
export class Thread extends EventTarget {
  #server;
  #words;
  #state = EMPTY;
  #element;
  #parts = {};
  #stream = null;
  #reading;
  #hasFailed = false;
  #told = null;
  #timer;
  #spoken = 0;

  constructor(place, server, words, id, unsent = null) {
    super();
    [this.#server, this.#words, this.id] = [server, words, id];
    this.#build();
    if (unsent) for (const part of WRITTEN) this.#parts[part].takeUnsent(unsent[part]);
    place.append(this.#element);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#reading = new Reading(() => this.#ask(), {
      answer: (answer) => this.#open(answer),
      failed: (error) => this.#missAnswer(error),
      gone: () => this.lose(),
    });
    this.focus();
    this.#reading.read();
  }

  /** What was typed and not sent, for the next thread of this conversation. */
  get unsent() {
    return Object.fromEntries(WRITTEN.map((part) => [part, this.#parts[part].unsent]));
  }

  focus() {
    this.#parts.title.focus();
  }

  /** Chosen once more: what nobody tells of is read anew, and what was typed stays. */
  lookAgain() {
    this.#reading.soon();
    this.focus();
  }

  close() {
    this.#reading.close();
    this.#stream?.close();
    clearInterval(this.#timer);
    this.#element.remove();
  }

  /** The list's row of this conversation, told again. */
  takeRow(row) {
    if (row.id !== this.id) return;
    this.#told = row;
    if (!this.#state.row) return;
    this.#state = { ...this.#state, row };
    this.#show();
  }

  showTyping(isTyping) {
    setText(this.#parts.typing, isTyping ? this.#words.say("customerTypes") : "");
  }

  showOperators(names) {
    this.#parts.aside.showOperators(names);
  }

  /** The conversation was deleted. */
  lose() {
    this.#reading.close();
    this.#stream?.close();
    this.#say(this.#words.say("refusedGone"));
  }

  get #path() {
    return `/console/conversations/${encodeURIComponent(this.id)}`;
  }

  #build() {
    const words = this.#words;
    const call = (path, body, signal) => this.#server.post(`${this.#path}${path}`, body, signal);
    const fail = (error) => this.#fail(error);
    const parts = this.#parts;
    parts.title = build("h2", { tabindex: "-1" }, nameOf(this.id));
    parts.chips = build("p", { class: "chips" });
    parts.said = build("p", { class: "said", role: "alert" });
    parts.log = build("ol", { class: "log-list" });
    parts.view = build("div", { class: "log", tabindex: "0", role: "log", "aria-live": "off", "aria-label": words.say("conversation") }, parts.log);
    parts.typing = build("p", { class: "typing soft", role: "status" });
    parts.spoken = build("p", { class: "unseen", role: "status" });
    parts.acts = new Acts(this.#server, words, call, fail);
    parts.aside = new Aside(this.#server, words, this.#path, fail);
    parts.drafts = new Drafts(words, call, fail);
    parts.answering = new Answering(this.#server, words, this.#path, fail);
    parts.messages = new Messages(parts.log, words);
    const latest = press(words.say("latest"), () => {}, { kind: "latest", icon: ICONS.down, hidden: true });
    parts.scroll = new Scroll(parts.view, parts.log, latest);
    this.#element = build("div", { class: "thread" },
      build("header", { class: "thread-head" },
        press(words.say("backToList"), () => this.dispatchEvent(new Event("leave")), { kind: "tool thread-back", icon: ICONS.back, isBare: true }),
        build("div", { class: "thread-title" }, parts.title, parts.chips),
        parts.acts.element),
      build("div", { class: "thread-middle" },
        build("div", { class: "thread-main" }, parts.view, latest, parts.typing, parts.said,
          parts.drafts.element, parts.answering.element, parts.spoken),
        parts.aside.element));
    this.#element.addEventListener("keydown", (event) => this.#press(event));
    parts.acts.addEventListener("row", ({ detail }) => this.takeRow(detail));
    parts.acts.addEventListener("taken", () => parts.answering.focus());
    parts.aside.addEventListener("change", () => this.#reading.read());
  }

  /** Escape leads back to the list, wherever something else has no use for it. */
  #press(event) {
    if (isLeaving(event)) this.dispatchEvent(new Event("leave"));
  }

  /** A row that is told while the answer is on its way is newer than that. */
  async #ask() {
    const before = this.#told;
    const answer = await this.#server.get(this.#path);
    return this.#told === before ? answer : { ...answer, conversation: this.#told };
  }

  /** What is said from then on comes by the stream, whichever try the first answer came with. */
  #open(answer) {
    this.#state = open(this.#state, answer);
    this.#show();
    if (this.#hasFailed) this.#say("");
    this.#hasFailed = false;
    if (this.#stream) return;
    this.#follow();
    this.#parts.scroll.toEnd();
  }

  #follow() {
    let isFirst = true;
    const path = () => `${this.#path}/events?after=${this.#state.taken}`;
    this.#stream = this.#server.stream(path, (event) => {
      if (event.type === "joined") {
        if (!isFirst) this.#reading.soon();
        isFirst = false;
      } else if (event.type === "gone") this.lose();
      else this.#take(event);
    });
  }

  #take(event) {
    const before = this.#state;
    this.#state = take(before, event);
    if (this.#state === before) return;
    this.#show();
    if (event.type === "message") {
      this.showTyping(false);
      this.#speak(event.data);
    }
    if (event.type === "draft" && this.#state.draft) {
      setText(this.#parts.spoken, this.#words.say("sayDraft"));
    }
    if (ENDS.includes(event.type)) this.#reading.soon();
  }

  /** Only whole messages of the customer are read out, never a growing answer. */
  #speak({ role, text }) {
    if (role !== "customer") return;
    this.#spoken += 1;
    setText(this.#parts.spoken, this.#words.say("sayCustomer", { text }));
    if (this.#state.row?.assigned_to === this.#server.account) this.#parts.answering.noticeQuestion();
  }

  #show() {
    const { messages, row, draft, notes, csat, mostChars } = this.#state;
    this.#parts.messages.show(messages);
    if (!row) return;
    this.#showChips(row);
    this.#parts.acts.show(row);
    this.#parts.answering.show(row, mostChars);
    this.#parts.drafts.show(draft);
    this.#parts.aside.show(row, notes, csat);
    this.#tick();
  }

  #showChips(row) {
    const words = this.#words;
    const chips = [chip(sayOf(words, "state", row.state), nameState(row))];
    if (row.state === "waiting") chips.push(chip("", "wait-time"));
    if (row.place) chips.push(chip(words.say("placeIs", { place: row.place })));
    if (row.assigned_to) chips.push(chip(words.say("hasIt", { name: row.assigned_to }), "who"));
    if (row.is_held) chips.push(chip(words.say("isHeld"), "held"));
    if (row.language) chips.push(chip(sayOf(words, "language", row.language)));
    this.#parts.chips.replaceChildren(...chips);
  }

  #tick() {
    const wait = this.#parts.chips.querySelector(".wait-time");
    if (wait) setText(wait, describeWait(Date.now() - this.#state.row.since_ms));
  }

  #missAnswer(error) {
    this.#hasFailed = true;
    this.#say(describeRefusal(this.#words, error));
  }

  /** What was refused may be another's doing, so the conversation is read anew. */
  #fail(error) {
    this.#hasFailed = false;
    this.#say(describeRefusal(this.#words, error));
    this.#reading.soon();
  }

  #say(text) {
    setText(this.#parts.said, text);
  }
}
