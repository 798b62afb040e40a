/**
 * The field in which an operator answers: canned replies by their shortcut, suggestions to press.
 *
 * It sends only what the operator sends. The rules that must not break: a suggestion or a canned
 * reply is put into the field and nowhere else, what was typed is kept until the server has it,
 * and the Enter that ends an input method's word sends nothing.
 */
import { createClientId } from "../asking.js";
import { isComposed } from "../composing.js";
import { ICONS, build, setText } from "../elements.js";
import { USUAL_MOST, describeLength } from "../length.js";
import { attempt, chip, press } from "./parts.js";
import { Replies } from "./replies.js";

const TYPING_MS = 3000;

export class Answering {
  #server;
  #words;
  #path;
  #fail;
  #field;
  #send;
  #hint;
  #form;
  #offers;
  #replies;
  #count;
  #most = USUAL_MOST;
  #typedMs = 0;
  #unsent = { text: "", clientId: "" };
  #isMine = false;
  #open;

  constructor(server, words, path, fail) {
    [this.#server, this.#words, this.#path, this.#fail] = [server, words, path, fail];
    this.element = this.#build();
  }

  focus() {
    this.#field.focus();
  }

  /** What stands in the field, and the id by which the server may have it already. */
  get unsent() {
    return { text: this.#field.value, sent: this.#unsent };
  }

  takeUnsent({ text, sent }) {
    this.#unsent = sent;
    this.#put(text);
  }

  /** Only who has the conversation can answer in it. */
  show(row, most = USUAL_MOST) {
    this.#most = most;
    this.#judge();
    const isMine = row.state === "human" && row.assigned_to === this.#server.account;
    this.#form.hidden = !isMine;
    this.#hint.hidden = isMine;
    setText(this.#hint, isMine ? "" : this.#describe(row));
    if (!isMine) this.#offers.hidden = true;
    this.#isMine = isMine;
  }

  /** The customer has said something: open suggestions belong to the question before. */
  noticeQuestion() {
    if (this.#isMine && !this.#offers.hidden) this.#suggest();
  }

  #describe({ state, assigned_to: name }) {
    if (!this.#server.mayChange) return this.#words.say("hintReading");
    if (state === "human") return this.#words.say("hintOther", { name: name || "?" });
    return this.#words.say(state === "closed" ? "hintClosed" : "hintTake");
  }

  #build() {
    const words = this.#words;
    this.#field = build("textarea", {
      id: "answer", rows: "2", "aria-autocomplete": "list", autocomplete: "off",
      placeholder: words.say("answerPlaceholder"), "aria-describedby": "answer-count",
    });
    this.#count = build("p", { id: "answer-count", class: "soft", role: "status" });
    this.#replies = new Replies(this.#server, words, this.#field, this.#fail);
    this.#send = build("button", { class: "act main-act", type: "submit" }, words.say("send"));
    this.#open = press(words.say("suggest"), () => this.#suggest(), { kind: "act", icon: ICONS.spark, "aria-expanded": "false" });
    this.#offers = build("section", { class: "offers", "aria-label": words.say("suggestions"), hidden: true });
    this.#hint = build("p", { class: "hint soft" });
    this.#form = build("form", { class: "answering", hidden: true },
      this.#offers, this.#replies.element,
      build("label", { for: "answer", class: "unseen" }, words.say("answerLabel")),
      this.#field, this.#count,
      build("div", { class: "answering-acts" }, this.#open, this.#replies.button, this.#send));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener("keydown", (event) => this.#press(event));
    this.#field.addEventListener("input", () => {
      this.#judge();
      this.#tellTyping();
    });
    return build("footer", { class: "answering-place" }, this.#hint, this.#form);
  }

  #press(event) {
    if (isComposed(event)) return;
    if (this.#replies.press(event)) return;
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    this.#submit();
  }

  /** The same words again carry the same id: what arrived already is not said twice. */
  async #submit() {
    const text = this.#field.value.trim();
    if (!text || this.#judge()) return;
    if (this.#unsent.text !== text) this.#unsent = { text, clientId: createClientId() };
    const { clientId } = this.#unsent;
    await attempt(this.#send, async () => {
      await this.#server.post(`${this.#path}/messages`, { text, client_id: clientId });
      this.#unsent = { text: "", clientId: "" };
      this.#typedMs = 0;
      // What was typed while the call was out stays.
      if (this.#field.value.trim() === text) this.#put("");
      this.#hideOffers();
    }, this.#fail);
    this.#field.focus();
  }

  #tellTyping() {
    const nowMs = Date.now();
    if (!this.#field.value || nowMs - this.#typedMs < TYPING_MS) return;
    this.#typedMs = nowMs;
    this.#server.post(`${this.#path}/typing`).catch(() => {});
  }

  async #suggest() {
    await attempt(this.#open, async () => {
      const { suggestions } = await this.#server.get(`${this.#path}/suggestions`);
      this.#showOffers(suggestions);
    }, this.#fail);
  }

  #showOffers(suggestions) {
    const words = this.#words;
    const head = build("div", { class: "offers-head" },
      build("p", { class: "soft", role: "status" }, words.say(suggestions.length ? "suggestText" : "suggestNone")),
      press(words.say("close"), () => {
        this.#hideOffers();
        this.#field.focus();
      }, { kind: "tool", icon: ICONS.close, isBare: true }));
    const items = suggestions.map((offer) => build("li", {}, this.#buildOffer(offer)));
    this.#offers.replaceChildren(head, build("ul", { class: "offer-list" }, ...items));
    this.#offers.hidden = false;
    this.#open.setAttribute("aria-expanded", "true");
  }

  #buildOffer({ kind, title, text, score }) {
    const name = kind === "faq" ? "sourceFaq" : kind === "passage" ? "sourcePassage" : "suggestion";
    const facts = [chip(this.#words.say(name))];
    if (typeof score === "number") facts.push(chip(this.#words.say("scoreOf", { score: score.toFixed(2) })));
    const button = build("button", { class: "offer", type: "button" },
      build("span", { class: "offer-title", dir: "auto" }, title, " ", ...facts),
      build("span", { class: "offer-text", dir: "auto" }, text));
    button.addEventListener("click", () => {
      this.#put(text);
      this.#field.focus();
    });
    return button;
  }

  #hideOffers() {
    this.#offers.hidden = true;
    this.#open.setAttribute("aria-expanded", "false");
  }

  #put(text) {
    this.#field.value = text;
    this.#judge();
    this.#replies.hide();
  }

  /** Whether the text is too long, which is told beside it: nothing that was typed is cut. */
  #judge() {
    const { told, isOver } = describeLength(this.#words, this.#field.value.trim(), this.#most);
    setText(this.#count, told);
    this.#count.hidden = !told;
    this.#count.classList.toggle("over", isOver);
    this.#send.disabled = isOver;
    return isOver;
  }
}
