/**
 * The conversation as one element, `<appliance-conversation>`: for the page, the widget, the kiosk.
 *
 * It joins talk, messages and composer, and asks nobody by itself; whatever stands around it
 * (header, list of conversations, attract screen) is its page's. The rule that must not break: it
 * shows what the state says, and nothing is kept only on the page. How to mount it, once in a
 * document, whose head links base.css, conversation.css and messages.css:
 *
 *     import { mount } from "/web/component.js";
 *     const conversation = mount(root, {
 *       words: new Words("zh"),
 *       session: new Kept("session"),        // {get, set}: where the conversation's id is kept
 *       draft: new Kept("draft", () => sessionStorage),   // {get, set}: unsent words
 *       greeting: "…", starters: ["…"],      // instead of the shop's
 *       server,                              // instead of server.js, for tests
 *     });
 *
 * It can then `ask(text)`, `speak(words)`, `startAnew()`, `clear()`, `open(id)`, `show(isVisible)`,
 * `focus()`, `say(text)` to screen readers, `leave()`; it tells `conversation.talk`, `.connection`,
 * `.readiness`, `.isAnswering`, `.language`; and fires `change` after each change of what it shows, `serverchange` when
 * the server is lost, back, or tells news of itself.
 */
import { Announcer } from "./announcer.js";
import { copyText } from "./clipboard.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { build, setText } from "./elements.js";
import { buildFrame } from "./frame.js";
import { Handoff } from "./handoff.js";
import { label } from "./language.js";
import { USUAL_MOST } from "./length.js";
import { describeTrouble } from "./phrases.js";
import { Readiness } from "./readiness.js";
import { Scroll } from "./scroll.js";
import * as appliance from "./server.js";
import { findTurn, findUnsent, isGrowth, listShown } from "./shown.js";
import { Talk } from "./talk.js";
import { Transcript } from "./transcript.js";

const CHECK_MS = 20_000;
const COPIED_MS = 2000;
const STARTERS = ["starter1", "starter2", "starter3", "starter4"];

/** In a task of its own, before the next frame where the browser knows how. */
function doNext(run) {
  if (globalThis.scheduler?.postTask) scheduler.postTask(run, { priority: "user-blocking" });
  else setTimeout(run);
}

/** Puts a conversation into `root` and begins. */
export function mount(root, options) {
  const conversation = document.createElement("appliance-conversation");
  root.append(conversation);
  conversation.start(options);
  return conversation;
}

export class Conversation extends HTMLElement {
  #words;
  #options;
  #isWanted = true;
  #transcript;
  #composer;
  #scroll;
  #handoff;
  #announcer;
  #shown = null;
  #frame = 0;
  #task = 0;
  #leaving = new AbortController();

  start(options) {
    this.#options = options;
    this.#words = options.words;
    const server = options.server ?? appliance;
    this.append(...buildFrame());
    this.connection = new Connection(server.checkHealth);
    this.readiness = new Readiness(server.readReadiness, this.connection);
    this.talk = new Talk(server, this.connection, options.session);
    this.#buildParts();
    this.#joinParts();
    this.#joinServer();
    this.speak(this.#words);
    this.#attend();
    this.talk.open().then(() => this.#showServer());
  }

  get isAnswering() {
    return findTurn(this.talk.state) !== null;
  }

  /** Whether nothing was said or asked here yet. */
  get isEmpty() {
    return listShown(this.talk.state).length === 0;
  }

  get language() {
    return this.#words.language;
  }

  get words() {
    return this.#words;
  }

  focus() {
    this.#composer.focus();
  }

  say(text) {
    this.#announcer.say(text);
  }

  speak(words) {
    this.#words = words;
    label(this, words);
    setText(this.#find("greeting"), this.#options.greeting ?? words.say("greeting"));
    this.#composer.speak(words);
    this.#showTalk();
    this.#showServer();
  }

  async ask(text) {
    if (matchMedia("(pointer: coarse)").matches) document.activeElement?.blur();
    this.#handoff.forget();
    const asked = this.talk.ask(text);
    this.#scroll.toEnd();
    await asked;
  }

  /** An empty conversation; the one before is a press away. */
  startAnew() {
    this.#handoff.forget();
    return this.talk.startAnew();
  }

  /** Leaves nothing for who comes next: no unsent words, no contact, no way back. */
  async clear() {
    this.#composer.clear();
    this.#handoff.clear();
    const { id, left } = this.talk;
    if (left) await this.talk.abandon(left);
    await this.talk.abandon(id);
  }

  /** Asks how the conversation was that was left for a new one. */
  askRating() {
    if (this.talk.left) this.#handoff.rate(this.talk.left);
  }

  /** Another conversation of this browser. */
  open(id) {
    this.#handoff.forget();
    this.#scroll.toEnd();
    return this.talk.switchTo(id);
  }

  /** False for a panel that is closed: what nobody sees lets its connection go, unless an answer
   * is awaited. A page that is hidden counts as closed by itself. */
  show(isWanted) {
    this.#isWanted = isWanted;
    this.#attend();
  }

  /** Ends all that runs by itself, before the element is taken away. */
  leave() {
    this.#leaving.abort();
    this.#settle();
    this.readiness.show(false);
    this.talk.leave();
  }

  #buildParts() {
    const { draft } = this.#options;
    this.#transcript = new Transcript(this.#find("transcript"), (part) => label(part, this.#words));
    this.#composer = new Composer(this, this.#words, draft.get() ?? "");
    this.#scroll = new Scroll(this.#find("main"), this.#find("transcript"), this.#find("latest"));
    this.#handoff = new Handoff(this);
    this.#announcer = new Announcer(this.#find("status"), this.talk);
  }

  #joinParts() {
    const [transcript, composer] = [this.#transcript, this.#composer];
    transcript.addEventListener("retry", () => {
      this.#goOn();
      this.talk.retry();
    });
    transcript.addEventListener("copy", ({ detail }) => this.#copy(detail));
    transcript.addEventListener("suggest", ({ detail }) => this.#askByButton(detail));
    transcript.addEventListener("judge", ({ detail }) => this.#judge(detail));
    composer.addEventListener("send", ({ detail }) => this.ask(detail));
    composer.addEventListener("stop", () => this.talk.stop());
    composer.addEventListener("input", () => this.#keepDraft());
    this.#find("latest").addEventListener("click", () => this.#goOn());
    this.#find("back").addEventListener("click", () => {
      this.#goOn();
      this.#handoff.forget();
      this.talk.goBack();
    });
    this.#find("welcome").addEventListener("click", ({ target }) => {
      if (target.matches(".starter")) this.#askByButton(target.textContent);
    });
    this.#find("transcript").addEventListener("click", ({ target }) => {
      if (target.closest("summary, .label, .thumb")) this.#scroll.hold();
    });
  }

  #joinServer() {
    const { signal } = this.#leaving;
    this.talk.addEventListener("change", () => this.#follow());
    this.talk.addEventListener("joined", () => this.readiness.watch());
    this.readiness.addEventListener("change", () => this.#showServer());
    this.connection.addEventListener("change", () => {
      this.#showServer();
      this.say(this.#find("banner-text").textContent || this.#words.say("sayWelcomeBack"));
      if (!this.connection.isLost) this.readiness.watch();
    });
    document.addEventListener("visibilitychange", () => this.#attend(), { signal });
    addEventListener("offline", () => this.#check(), { signal });
    // A page that comes back from the browser's own memory has lost its line without a word.
    addEventListener("pageshow", ({ persisted }) => persisted && this.#check(), { signal });
    const timer = setInterval(() => this.#check(), CHECK_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
  }

  /** Words that only grow are written once a frame, however many come in it, and not in its task. */
  #follow() {
    const isSoon = isGrowth(this.#shown ?? this.talk.state, this.talk.state);
    if (!isSoon || document.visibilityState !== "visible") return this.#showNow();
    this.#frame ||= requestAnimationFrame(() => {
      this.#task = setTimeout(() => this.#showNow());
    });
  }

  /** Nothing waits to be written any more. */
  #settle() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#task);
    this.#frame = 0;
  }

  /** Writing, measuring and painting are a task each: together they hold a slow telephone up. */
  #showNow() {
    this.#showTalk();
    doNext(() => this.#scroll.follow());
    this.#announcer.follow(this.talk, this.#words, {
      handoff: this.#handoff.text, answer: (count) => this.#transcript.readLast(count),
    });
  }

  #showTalk() {
    this.#settle();
    this.#shown = this.talk.state;
    const messages = listShown(this.talk.state);
    this.#transcript.show(messages, this.#words);
    this.#composer.showTurn(findTurn(this.talk.state), this.talk.isOpening);
    this.#find("welcome").hidden = messages.length > 0 || this.talk.isOpening;
    this.#find("back").hidden = !this.talk.left;
    this.#handoff.show(this.talk.state, this.#words);
    this.#keepDraft();
    this.dispatchEvent(new Event("change"));
  }

  #showServer() {
    const { isLost } = this.connection;
    const trouble = describeTrouble(this.#words, isLost, this.readiness.current, appliance.isBarred);
    const banner = this.#find("banner");
    banner.hidden = trouble === null;
    banner.classList.toggle("calm", Boolean(trouble?.isCalm));
    setText(this.#find("banner-text"), trouble?.text ?? "");
    setText(this.#find("banner-reason"), trouble?.reason ?? "");
    this.#showStarters();
    this.#composer.limit(this.readiness.current?.max_message_chars ?? USUAL_MOST);
    this.dispatchEvent(new Event("serverchange"));
  }

  /** Those of its page, else the shop's, else the words' own; none are shown before it is known
   * which, so that no button changes under a finger. */
  #showStarters() {
    const { starters: chosen } = this.#options;
    const { current } = this.readiness;
    const shops = current?.questions?.[this.#words.language] ?? [];
    const own = shops.length ? shops : STARTERS.map((key) => this.#words.say(key));
    const box = this.querySelector(".starters");
    box.classList.toggle("unsure", !chosen && current === null && !this.connection.isLost);
    const texts = chosen ?? own;
    const standing = Array.from(box.children, ({ textContent }) => textContent);
    if (standing.join("\n") === texts.join("\n")) return;
    box.replaceChildren(...texts.map((text) =>
      build("button", { class: "starter", type: "button" }, text)));
  }

  /** Asked with every token, so what is kept already is not written again. */
  #keepDraft() {
    const { draft } = this.#options;
    const text = this.#composer.text || findUnsent(this.talk.state) || null;
    if (text !== draft.get()) draft.set(text);
  }

  get #isSeen() {
    return this.#isWanted && document.visibilityState === "visible";
  }

  #attend() {
    this.talk.show(this.#isSeen);
    this.readiness.show(this.#isSeen);
    this.#check();
  }

  #check() {
    if (this.#isSeen) this.connection.check();
  }

  /** The pressed button vanishes, so the focus goes where the customer goes on; a finger wants no
   * keyboard. */
  #goOn() {
    if (!matchMedia("(pointer: coarse)").matches) this.#composer.focus();
  }

  async #askByButton(text) {
    this.#goOn();
    await this.ask(text);
  }

  async #judge({ runId, verdict, reason }) {
    const isTaken = await this.talk.judge(runId, verdict, reason);
    this.say(this.#words.say(isTaken ? "thanks" : "judgeFailed"));
  }

  async #copy({ button, text }) {
    const name = button.querySelector("span");
    setText(name, this.#words.say((await copyText(text)) ? "copied" : "copyFailed"));
    this.say(name.textContent);
    setTimeout(() => setText(name, this.#words.say("copy")), COPIED_MS);
  }

  #find(id) {
    return this.querySelector(`#${id}`);
  }
}

customElements.define("appliance-conversation", Conversation);
