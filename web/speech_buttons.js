/**
 * The buttons of speech in a conversation: read this answer aloud, and write what I say.
 *
 * What the browser can do is speech.js's. The rules that must not break: a button stands only where
 * its function is there, and what was heard is written into the field and never sent by itself.
 */
import { build, button, draw, setText } from "./elements.js";
import { Speech } from "./speech.js";
import { SPEECH_WORDS } from "./speech_words.js";

const SPEAKER = ["M4 9.5v5h3.5L12 19V5L7.5 9.5z", "M15.5 9a4 4 0 0 1 0 6M18 6.5a7.5 7.5 0 0 1 0 11"];
const MICROPHONE = ["M12 3.5a3 3 0 0 1 3 3V12a3 3 0 0 1-6 0V6.5a3 3 0 0 1 3-3z", "M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3"];

export class SpeechButtons {
  #conversation;
  #speech;
  #dictate = build("button", { class: "dictate", type: "button", "aria-pressed": "false", hidden: true },
    draw(MICROPHONE));
  #field;
  #language = null;
  #before = "";

  constructor(conversation, wishes, speech = new Speech(wishes)) {
    this.#conversation = conversation;
    this.#speech = speech;
    this.#field = conversation.querySelector("#question");
    conversation.querySelector("#send").before(this.#dictate);
    this.#dictate.addEventListener("click", () => this.#pressDictate());
    conversation.querySelector("#composer").addEventListener("submit", () => speech.stopListening());
    conversation.addEventListener("change", () => this.#follow());
    conversation.addEventListener("click", ({ target }) => this.#pressRead(target.closest(".read")));
    speech.addEventListener("change", () => this.#show());
    speech.addEventListener("heard", ({ detail }) => this.#write(detail));
    speech.addEventListener("failed", () => this.#apologise());
    this.#follow();
  }

  get isReading() {
    return this.#speech.reading !== null;
  }

  leave() {
    this.#speech.stop();
  }

  /** A new question or another conversation ends what is read. */
  #follow() {
    const { isAnswering } = this.#conversation;
    const { reading } = this.#speech;
    if (reading && (isAnswering || !reading.isConnected)) this.#speech.stopReading();
    if (this.#language !== this.#conversation.language) this.#switchLanguage();
    if (!isAnswering) this.#show();
  }

  async #switchLanguage() {
    const language = this.#conversation.language;
    this.#language = language;
    this.#speech.stopListening();
    const isThere = await this.#speech.canListen(language);
    if (language !== this.#language) return;
    this.#dictate.hidden = !isThere;
    this.#show();
  }

  #show() {
    name(this.#dictate, this.#say("dictate"), this.#speech.isListening);
    for (const acts of this.#conversation.querySelectorAll(".acts")) this.#showRead(acts);
  }

  #showRead(acts) {
    const prose = acts.closest(".answer").querySelector(".prose");
    const read = acts.querySelector(".read") ?? button("read", { icon: SPEAKER });
    read.hidden = !this.#speech.canRead(prose.textContent);
    if (read.hidden) read.remove();
    else if (!read.isConnected) acts.prepend(read);
    name(read, this.#say("readAloud"), this.#speech.reading === prose);
  }

  #pressRead(pressed) {
    if (!pressed) return;
    const prose = pressed.closest(".answer").querySelector(".prose");
    if (this.#speech.reading === prose) this.#speech.stopReading();
    else this.#speech.read(prose, prose.innerText);
  }

  #pressDictate() {
    if (this.#speech.isListening) return this.#speech.stopListening();
    this.#before = this.#field.value;
    this.#speech.listen(this.#language);
  }

  #write(heard) {
    const isGap = /[a-z0-9,.!?]$/i.test(this.#before);
    this.#field.value = this.#before + (isGap ? " " : "") + heard;
    this.#field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  #apologise() {
    setText(this.#conversation.querySelector("#count"), this.#say("dictateFailed"));
  }

  #say(key) {
    return SPEECH_WORDS[this.#conversation.language][key];
  }
}

function name(control, text, isPressed) {
  control.setAttribute("aria-label", text);
  control.title = text;
  control.setAttribute("aria-pressed", String(isPressed));
}
