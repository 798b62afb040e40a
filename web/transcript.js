/**
 * The messages on the page: one article for each.
 *
 * It asks nobody anything; presses leave as `retry`, `copy`, `suggest` and `judge` events. The rule that
 * must not break: a growing answer only gets what is new, so selection and reading place stay.
 */
import { build, setText } from "./elements.js";
import { Evidence } from "./evidence.js";
import { buildAnswer, buildQuestion } from "./frame.js";
import { Judgement } from "./judgement.js";
import { markLanguage } from "./language.js";
import { MarkdownText } from "./markdown.js";
import {
  describeEnding, describeError, describeNotice, describeWait, isWorthRetrying,
} from "./phrases.js";

/** Only in these is something thought, looked up or said: a queue and a dead line move no dots. */
const WORKING = ["thinking", "looking", "speaking"];

export class Transcript extends EventTarget {
  #root;
  #labels;
  #articles = [];

  /** `labels` writes the fixed words into a new article. */
  constructor(root, labels) {
    super();
    this.#root = root;
    this.#labels = labels;
  }

  /** Fits the page to `messages`; an article of the same role at the same place is kept. */
  show(messages, words) {
    for (const gone of this.#articles.splice(messages.length)) gone.element.remove();
    const isWaiting = messages.some((message) => message.turn);
    messages.forEach((message, index) => {
      const isLast = index === messages.length - 1 && !isWaiting;
      this.#place(message, index).update(message, isLast, words);
    });
  }

  /** The text of so many last answers as it is read, without Markdown's signs. */
  readLast(count) {
    const answers = this.#articles.filter(({ role }) => role === "assistant");
    return answers.slice(-count).map((answer) => answer.read()).join("\n");
  }

  #place(message, index) {
    const standing = this.#articles[index];
    if (standing?.role === message.role) return standing;
    const article = message.role === "customer" ? new Question() : new Answer();
    this.#labels(article.element);
    article.element.addEventListener("click", (event) => this.#press(event, article));
    if (standing) standing.element.replaceWith(article.element);
    else this.#root.append(article.element);
    this.#articles[index] = article;
    return article;
  }

  #press(event, article) {
    const button = event.target.closest("button");
    if (button?.matches(".retry")) this.#tell("retry");
    if (button?.matches(".copy")) this.#tell("copy", { button, text: article.text });
    if (button?.matches(".suggestion, .confirm button")) this.#tell("suggest", button.textContent);
    const judgement = button && article.judge(button);
    if (judgement) this.#tell("judge", judgement);
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

class Article {
  text = "";
  #shown = [];

  constructor(role, element) {
    this.role = role;
    this.element = element;
  }

  /** What stands there as it should is left alone: a long conversation grows at its end only. */
  update(message, isLast, words) {
    const wanted = [isLast, words, ...Object.values(message)];
    if (isSame(wanted, this.#shown)) return;
    this.#shown = wanted;
    this.show(message, isLast, words);
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  read() {
    return this.text;
  }

  /** What a press on `button` says of the answer, or null. */
  judge() {
    return null;
  }

  showTrouble(message, isLast, words) {
    const trouble = this.find(".trouble");
    trouble.hidden = !message.error;
    if (!message.error) return;
    trouble.firstElementChild.textContent = describeError(words, message);
    this.find(".retry").hidden = !isLast || !isWorthRetrying(message.error);
  }
}

class Question extends Article {
  constructor() {
    super("customer", buildQuestion());
  }

  show(message, isLast, words) {
    this.text = message.text;
    const bubble = this.find(".bubble");
    setText(bubble, message.text);
    markLanguage(bubble, message.text);
    this.showTrouble(message, isLast, words);
  }
}

class Answer extends Article {
  #markdown = new MarkdownText(this.find(".prose"));
  #evidence = new Evidence((selector) => this.find(selector));
  #judgement = new Judgement((selector) => this.find(selector), this.element);
  #isComplete = false;

  constructor() {
    super("assistant", buildAnswer());
  }

  show(message, isLast, words) {
    this.#showText(message.text, message.turn === null);
    this.#showWait(message, words);
    this.#showNotices(message.notices, words);
    this.showTrouble(message, isLast, words);
    this.#evidence.show(message, isLast, words);
    this.#judgement.show(message, words);
    this.find(".confirm").hidden = !isLast || !message.isConfirming || message.turn !== null;
    this.#showEnding(message, words);
  }

  read() {
    return this.find(".prose").innerText;
  }

  judge(button) {
    return this.#judgement.press(button);
  }

  #showText(text, isComplete) {
    if (!isComplete) this.find(".prose").classList.add("grown");
    if (text !== this.text || (this.#isComplete && !isComplete)) {
      if (this.#isComplete) this.#markdown = new MarkdownText(this.find(".prose"));
      this.#isComplete = false;
      this.#markdown.show(text);
      this.text = text;
      markLanguage(this.find(".prose"), text);
    }
    if (isComplete && !this.#isComplete) this.#markdown.end();
    this.#isComplete = isComplete;
  }

  #showWait({ turn, text }, words) {
    const wait = this.find(".wait");
    wait.hidden = turn === null;
    if (!turn) return;
    setText(this.find(".wait-words"), describeWait(words, turn, text !== ""));
    this.find(".dots").hidden = !WORKING.includes(turn.phase);
  }

  #showNotices(notices, words) {
    const list = this.find(".notices");
    list.hidden = notices.length === 0;
    list.replaceChildren(...notices.map((it) => build("li", {}, describeNotice(words, it))));
  }

  #showEnding(message, words) {
    setText(this.find(".ending"), describeEnding(words, message));
    this.find(".acts").hidden = message.turn !== null || message.text === "";
  }
}

function isSame(one, other) {
  return one.length === other.length && one.every((value, index) => value === other[index]);
}
