/**
 * What a customer sees of the staff: how the wish for a person stands, who speaks, who types, a way
 * to leave a contact, and at the end the question how it was.
 *
 * It is loaded when a hand-over begins. The rules that must not break: the banner says what the
 * server said, as text; a wish, a contact or a rating that did not get through is told so; and
 * what was typed stays until the server has it.
 */
import { build, button, setText } from "./elements.js";
import { label } from "./language.js";
import { buildRating } from "./rating.js";
import { STAFF_WORDS } from "./staff_words.js";

const STYLE = "/web/staff.css";
/** How often typing is told, and how long it counts. */
const TYPING_MS = 3000;
const TYPED_MS = 5000;
const OPEN = ["waiting", "human"];
const SAID = { waiting: "handoffWaiting", human: "handoffHuman", closed: "handoffClosed" };

/** Joins a conversation, once its look is there. */
export async function join(conversation) {
  if (!document.querySelector(`link[href="${STYLE}"]`)) await loadStyle();
  return new Staff(conversation);
}

export class Staff {
  #conversation;
  #banner;
  #words = null;
  #state = null;
  #id = null;
  #isCalling = false;
  #hasFailed = false;
  #message = "";
  #isContactOpen = false;
  #contactSaid = "";
  #rating;
  #asked;
  #isRated = false;
  #typing;
  #typedMs = 0;
  #fades = 0;

  constructor(conversation) {
    this.#conversation = conversation;
    this.#rating = buildRating((body) => this.#sendRating(body));
    this.#build();
    conversation.querySelector("#banner").after(this.#banner);
    conversation.querySelector(".bottom").prepend(this.#typing);
    conversation.talk.addEventListener("typing", () => this.#showTyping());
    conversation.addEventListener("input", ({ target }) => target.id === "question" && this.#tellTyping());
    this.show(conversation.talk.state, conversation.words);
    conversation.say(this.text);
  }

  /** What the banner says now, or "". */
  get text() {
    return this.#banner.hidden ? "" : this.#find("handoff-text").textContent;
  }

  /** Forgets a failure: it belonged to another conversation, or the customer went on. */
  forget() {
    this.#hasFailed = false;
    this.#rating.end();
  }

  /** Lets go what was typed: another comes. */
  clear() {
    this.#find("contact").value = "";
    this.forget();
  }

  show(state, pageWords) {
    const words = pageWords.with(STAFF_WORDS);
    if (this.#words?.language !== words.language) {
      for (const part of [this.#banner, this.#typing]) label(part, words);
      this.#rating.speak(words);
    }
    this.#turnTo(this.#conversation.talk.id);
    const { handoff: before, messages } = this.#state ?? {};
    [this.#state, this.#words] = [state, words];
    const { handoff, told } = state;
    if (before === "human" && !OPEN.includes(handoff)) this.#ask(undefined);
    else if (OPEN.includes(handoff)) this.#rating.end();
    if (handoff !== before) this.#isContactOpen = false;
    // What was typed is there, or nobody types any more.
    if (!OPEN.includes(handoff) || state.messages !== messages) this.#typing.hidden = true;
    const said = this.#hasFailed ? words.say("handoffFailed") : describeStaff(words, state, this.#message);
    this.#banner.hidden = said === "" && !this.#rating.isAsking;
    this.#banner.classList.toggle("calm", !this.#hasFailed);
    setText(this.#find("handoff-text"), said);
    this.#find("take-back").hidden = handoff !== "waiting";
    this.#showContact(handoff, Boolean(told.asks_contact), words);
    for (const each of [this.#find("take-back"), this.#conversation.querySelector("#call-person")]) {
      each.setAttribute("aria-disabled", String(this.#isCalling));
    }
  }

  /** Of another conversation nothing is known that was said of the one before. */
  #turnTo(id) {
    if (this.#id !== null && id !== this.#id) {
      this.#state = null;
      [this.#isContactOpen, this.#contactSaid, this.#message] = [false, "", ""];
    }
    this.#id = id;
  }

  /** Asks how a conversation was that is left, unless it was told already. */
  rate(id) {
    if (!this.#isRated) this.#ask(id);
    this.#isRated = false;
    this.#refresh();
  }

  /** `id` is undefined for the conversation that stands here. */
  #ask(id) {
    this.#asked = id;
    this.#rating.begin();
  }

  /** Who leaves while stars are on their way is not asked again; whose stars did not get through is. */
  async #sendRating(body) {
    const before = this.#isRated;
    this.#isRated ||= this.#asked === undefined;
    const isKept = await this.#conversation.talk.tell("rating", body, this.#asked);
    if (!isKept && !before) this.#isRated = false;
    return isKept;
  }

  /** Asks for a person, or with `isWanted` false for none any more; meanwhile its buttons rest. */
  async wish(isWanted) {
    if (this.#isCalling) return;
    [this.#isCalling, this.#hasFailed] = [true, false];
    this.#refresh();
    const { talk } = this.#conversation;
    const message = await talk.callPerson(isWanted, this.#words.language);
    this.#isCalling = false;
    this.#hasFailed = message === null;
    this.#message = message ?? "";
    this.#refresh();
    if (message === null) this.#conversation.say(this.text);
    if (document.activeElement === document.body) this.#conversation.focus();
  }

  #refresh() {
    this.show(this.#conversation.talk.state, this.#words);
  }

  #showContact(handoff, isAsked, words) {
    const mayLeave = handoff === "waiting" || (handoff === "closed" && isAsked);
    const isOpen = mayLeave && !this.#contactSaid && (isAsked || this.#isContactOpen);
    this.#find("contact-form").hidden = !isOpen;
    this.#find("leave-contact").hidden = !mayLeave || isOpen || this.#contactSaid !== "";
    setText(this.#find("contact-said"), mayLeave && this.#contactSaid ? words.say(this.#contactSaid) : "");
  }

  async #leaveContact(event) {
    event.preventDefault();
    const field = this.#find("contact");
    const text = field.value.trim();
    if (!text) return;
    const isKept = await this.#conversation.talk.tell("contact", { text });
    if (isKept) field.value = "";
    this.#contactSaid = isKept ? "contactKept" : "";
    this.#refresh();
    setText(this.#find("contact-said"), this.#words.say(isKept ? "contactKept" : "handoffFailed"));
    if (isKept) this.#conversation.focus();
  }

  #showTyping() {
    if (!this.#state || !OPEN.includes(this.#state.handoff)) return;
    this.#typing.hidden = false;
    clearTimeout(this.#fades);
    this.#fades = setTimeout(() => (this.#typing.hidden = true), TYPED_MS);
  }

  #tellTyping() {
    const nowMs = Date.now();
    if (!OPEN.includes(this.#state?.handoff) || nowMs - this.#typedMs < TYPING_MS) return;
    this.#typedMs = nowMs;
    this.#conversation.talk.tell("typing", {});
  }

  #build() {
    const takeBack = button("banner-button", { words: "takeBack", id: "take-back" });
    const leave = button("banner-button", { words: "leaveContact", id: "leave-contact", hidden: true });
    const form = build("form", { class: "contact-form", id: "contact-form", hidden: true },
      build("label", { for: "contact", "data-words": "contactLabel" }),
      build("input", { id: "contact", maxlength: "200", autocomplete: "tel", "data-words-placeholder": "contactPlaceholder" }),
      build("button", { class: "contact-send", type: "submit", "data-words": "contactSend" }));
    this.#banner = build("section",
      { class: "banner calm", id: "handoff", "data-words-label": "callPerson", hidden: true },
      build("p", { id: "handoff-text" }), takeBack, leave, form,
      build("p", { id: "contact-said", role: "status" }), this.#rating.element);
    this.#typing = build("p", { class: "staff-typing", hidden: true, role: "status" },
      build("span", { class: "dots", "aria-hidden": "true" }, build("i"), build("i"), build("i")),
      build("span", { "data-words": "staffTypes" }));
    takeBack.addEventListener("click", () => this.wish(false));
    leave.addEventListener("click", () => {
      this.#isContactOpen = true;
      this.#refresh();
      this.#find("contact").focus();
    });
    form.addEventListener("submit", (event) => this.#leaveContact(event));
    this.#rating.element.addEventListener("close", () => this.#refresh());
  }

  #find(id) {
    return this.#banner.querySelector(`#${id}`);
  }
}

/** How it stands, or "": the words of the state, what the server told of place and promise, and
 * how the shop is reached meanwhile. */
export function describeStaff(words, { handoff, told }, message) {
  if (!Object.hasOwn(SAID, handoff)) return "";
  if (handoff === "human" && told.name) return words.say("handoffName", { name: told.name });
  const parts = [words.say(SAID[handoff])];
  if (handoff === "waiting" && told.place) parts.push(words.say("handoffPlace", { place: told.place }));
  if (told.promise) parts.push(told.promise);
  if (handoff === "waiting" && message) parts.push(message);
  return parts.join(words.language === "zh" ? "" : " ");
}

function loadStyle() {
  const link = build("link", { rel: "stylesheet", href: STYLE });
  const loaded = new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => {
      link.remove();
      reject(new Error("The look of the staff's part was not loaded."));
    });
  });
  document.head.append(link);
  return loaded;
}
