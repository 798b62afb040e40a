/**
 * The messages on the page: one article for each.
 *
 * It asks nobody anything; presses leave as `retry`, `copy` and `suggest` events. The rule that must not
 * break: a growing answer only gets what is new, so selection and reading place stay.
 */
import { Evidence } from "./evidence.js";
import { MarkdownText } from "./markdown.js";
import {
  describeEnding, describeError, describeNotice, describeWait, isWorthRetrying,
} from "./phrases.js";

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
      this.#place(message, index).show(message, isLast, words);
    });
  }

  /** The last answer's text as it is read, without Markdown's signs. */
  readLast() {
    return this.#articles.at(-1)?.read() ?? "";
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
    if (button?.matches(".retry")) this.dispatchEvent(new Event("retry"));
    if (button?.matches(".copy")) {
      this.dispatchEvent(new CustomEvent("copy", { detail: { button, text: article.text } }));
    }
    if (button?.matches(".suggestion")) {
      this.dispatchEvent(new CustomEvent("suggest", { detail: button.textContent }));
    }
  }
}

class Article {
  text = "";

  constructor(role, template) {
    this.role = role;
    const copy = document.getElementById(template).content.cloneNode(true);
    this.element = copy.firstElementChild;
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  read() {
    return this.text;
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
    super("customer", "question-template");
  }

  show(message, isLast, words) {
    this.text = message.text;
    const bubble = this.find(".bubble");
    if (bubble.textContent !== message.text) bubble.textContent = message.text;
    this.showTrouble(message, isLast, words);
  }
}

class Answer extends Article {
  #markdown = new MarkdownText(this.find(".prose"));
  #evidence = new Evidence((selector) => this.find(selector));
  #isComplete = false;

  constructor() {
    super("assistant", "answer-template");
  }

  show(message, isLast, words) {
    this.#showText(message.text, message.turn === null);
    this.#showWait(message, words);
    this.#showNotices(message.notices, words);
    this.showTrouble(message, isLast, words);
    this.#evidence.show(message, isLast, words);
    this.#showEnding(message, words);
  }

  read() {
    return this.find(".prose").innerText;
  }

  #showText(text, isComplete) {
    if (text !== this.text || (this.#isComplete && !isComplete)) {
      if (this.#isComplete) this.#markdown = new MarkdownText(this.find(".prose"));
      this.#isComplete = false;
      this.#markdown.show(text);
      this.text = text;
    }
    if (isComplete && !this.#isComplete) this.#markdown.end();
    this.#isComplete = isComplete;
  }

  #showWait({ turn, text }, words) {
    const wait = this.find(".wait");
    wait.hidden = turn === null;
    if (turn) setText(this.find(".wait-words"), describeWait(words, turn, text !== ""));
  }

  #showNotices(notices, words) {
    const list = this.find(".notices");
    list.hidden = notices.length === 0;
    const items = notices.map((notice) => {
      const item = document.createElement("li");
      item.textContent = describeNotice(words, notice);
      return item;
    });
    list.replaceChildren(...items);
  }

  #showEnding(message, words) {
    setText(this.find(".ending"), describeEnding(words, message));
    this.find(".copy").hidden = message.turn !== null || message.text === "";
  }
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
