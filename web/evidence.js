/**
 * What stands below an answer: its label with rung and time, its facts, its sources, and the
 * questions that may have been meant.
 *
 * It asks nothing; a press on a suggestion is the transcript's. The rule that must not break:
 * whatever the server names here is shown as text, and a link opens in a tab that knows nothing
 * of this one.
 */
import { build, setText } from "./elements.js";
import { describeKind, describeLabel, describeRung, listFacts } from "./origin_phrases.js";

const BLANKS = /\s+/g;

export class Evidence {
  #find;
  #line;
  #origin = null;
  #words = null;

  /** `find` gives the part of the answer's article that a selector names. */
  constructor(find) {
    this.#find = find;
    this.#line = find(".label");
    this.#line.addEventListener("click", () => this.#press());
  }

  /** `isLast` is whether nothing newer was said or asked. */
  show(message, isLast, words) {
    const isWhole = message.turn === null;
    this.#showLine(message, isWhole, words);
    this.#find(".suggestions").hidden = !isLast || message.origin.suggestions.length === 0;
    if (this.#origin === message.origin && this.#words === words) return;
    [this.#origin, this.#words] = [message.origin, words];
    this.#showSources(message, words);
    this.#showSuggestions(message.origin.suggestions);
  }

  /** The label stands under every text from its first word on; its facts open when all is said. */
  #showLine(message, isWhole, words) {
    const { origin, text } = message;
    this.#line.hidden = text === "";
    this.#line.disabled = !isWhole;
    this.#line.classList.toggle("official", origin.isOfficial);
    setText(this.#find(".badge"), describeLabel(words, origin));
    setText(this.#find(".rung"), describeRung(words, message));
    if (isWhole && text !== "") this.#showFacts(listFacts(words, message));
    else this.#open(false);
  }

  #showFacts(facts) {
    this.#find(".facts").replaceChildren(...facts.map(createFact));
  }

  #press() {
    const facts = this.#find(".facts");
    this.#open(facts.hidden);
    if (!facts.hidden) reveal(facts);
  }

  #open(isOpen) {
    this.#find(".facts").hidden = !isOpen;
    this.#line.setAttribute("aria-expanded", String(isOpen));
  }

  #showSources({ origin, text }, words) {
    this.#find(".sources").hidden = origin.sources.length === 0;
    const items = origin.sources.map((source) => createSource(source, text, words));
    this.#find(".source-list").replaceChildren(...items);
  }

  #showSuggestions(suggestions) {
    const buttons = suggestions.map((question) => {
      const button = create("button", "suggestion", question);
      button.type = "button";
      return button;
    });
    this.#find(".suggestion-list").replaceChildren(...buttons);
  }
}

function createFact([name, value]) {
  const row = create("div", "fact");
  row.append(create("dt", "", name), create("dd", "", value));
  return row;
}

/** A quote opens in place; one that the answer repeats to the letter is not shown again. */
function createSource(source, text, words) {
  const item = create("li", "source");
  const hasQuote = source.quote !== "" && !condense(text).includes(condense(source.quote));
  item.append(hasQuote ? createQuote(source, words) : createTitle(source, words));
  return item;
}

/** The link stands in the box: inside its summary, keyboards and screen readers would lose it. */
function createQuote(source, words) {
  const box = create("details", "quote");
  const summary = create("summary");
  summary.append(createKind(source, words), create("span", "source-title", source.title));
  box.append(summary, create("blockquote", "", source.quote));
  if (source.href) box.append(createLink(source, words.say("openSource")));
  box.addEventListener("toggle", () => box.open && reveal(box));
  return box;
}

function createTitle(source, words) {
  const line = create("p", "source-line");
  const title = source.href
    ? createLink(source, source.title) : create("span", "source-title", source.title);
  line.append(createKind(source, words), title);
  return line;
}

function createKind({ kind }, words) {
  return create("span", "source-kind", describeKind(words, kind));
}

function createLink({ href }, name) {
  const link = create("a", "source-link", name);
  link.href = href;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

function create(tag, name = "", text = "") {
  return build(tag, name ? { class: name } : {}, text);
}

function reveal(element) {
  element.scrollIntoView({ block: "nearest" });
}

function condense(text) {
  return text.replace(BLANKS, "");
}
