/**
 * The box that says what answers here: model, rungs, storage, threads, memory, version, notes; and
 * in which colours.
 *
 * It is loaded when it is first asked for, shows what `/readyz` says and measures nothing. The rule that must not break: what is not
 * known is called so, and no number is shown without its meaning.
 */
import { ICONS, build, button } from "./elements.js";
import { label } from "./language.js";
import { BOXES } from "./words_boxes.js";

const THEMES = [["auto", "themeAuto"], ["light", "themeLight"], ["dark", "themeDark"]];
const STATES = { ready: "stateReady", loading: "stateLoading", unavailable: "stateUnavailable" };
const KNOWLEDGE = { ...STATES, ready: "knowledgeReady" };
const STORES = {
  ready: "storeReady",
  opening: "storeOpening",
  full: "storeFull",
  unavailable: "storeUnavailable",
};
const BAD_STORES = ["full", "unavailable"];

/** Fires `theme` with the chosen one in `detail`. */
export class About extends EventTarget {
  #box = buildBox();

  /** `theme` is the one that is chosen. */
  constructor(root, theme) {
    super();
    root.append(this.#box);
    this.#find("#close-about").addEventListener("click", () => this.#box.close());
    for (const radio of this.#find("#themes").elements) radio.checked = radio.value === theme;
    this.#find("#themes").addEventListener("change", ({ target }) => {
      this.dispatchEvent(new CustomEvent("theme", { detail: target.value }));
    });
  }

  open() {
    this.#box.showModal();
  }

  /** `readiness` is null while the server cannot be reached. */
  show(readiness, pageWords) {
    const words = pageWords.with(BOXES);
    label(this.#box, words);
    const facts = readiness ? listFacts(readiness, words) : [["aboutState", words.say("aboutUnreached")]];
    this.#find("#about-facts").replaceChildren(
      ...facts.map(([key, value, isBad]) => createFact(words.say(key), value, isBad)));
    const notes = readiness?.notes ?? [];
    this.#find("#about-notes").hidden = notes.length === 0;
    this.#find("#about-notes ul").replaceChildren(...notes.map((note) => build("li", {}, note)));
  }

  #find(selector) {
    return this.#box.querySelector(selector);
  }
}

function buildBox() {
  return build("dialog", { id: "about", closedby: "any", "aria-labelledby": "about-title" },
    build("header", { class: "about-top" },
      build("h2", { id: "about-title", "data-words": "aboutTitle" }),
      button("tool", { name: "close", icon: ICONS.close, id: "close-about" })),
    build("p", { "data-words": "aboutText" }),
    build("section", { class: "notes", id: "about-notes", hidden: true },
      build("h3", { "data-words": "aboutNotes" }), build("ul", { lang: "en" })),
    build("fieldset", { class: "themes", id: "themes" },
      build("legend", { "data-words": "theme" }),
      ...THEMES.map(([value, words]) => build("label", {},
        build("input", { type: "radio", name: "theme", value }),
        build("span", { "data-words": words })))),
    build("dl", { id: "about-facts" }));
}

/** Each as [key of its name, value, whether somebody has to see to it]. */
function listFacts({ rungs, model, store, version }, words) {
  const unknown = words.say("aboutUnknown");
  const facts = [
    ["aboutModel", model.name || unknown],
    ["aboutState", describeModel(rungs.model, model, words)],
    ...listKnowledge(rungs.knowledge, words),
    ["aboutStore", describeStore(store, words), BAD_STORES.includes(store.state)],
    ["aboutThreads", model.threads ? String(model.threads) : unknown],
    ["aboutContext", model.context_tokens
      ? words.say("aboutTokens", { count: model.context_tokens }) : unknown],
    ["aboutVersion", version],
  ];
  if (model.remedy) facts.push(["aboutRemedy", model.remedy]);
  return facts;
}

/** The reason stands here, because the banner is silent while the FAQ answers. */
function describeModel(state, { reason }, words) {
  const said = words.say(STATES[state] ?? "aboutUnknown");
  return reason ? `${said} (${reason})` : said;
}

function listKnowledge(state, words) {
  return state ? [["aboutKnowledge", words.say(KNOWLEDGE[state] ?? "aboutUnknown")]] : [];
}

function describeStore({ state, reason }, words) {
  const said = words.say(STORES[state] ?? "aboutUnknown");
  return reason ? `${said} (${reason})` : said;
}

function createFact(name, value, isBad = false) {
  return build("div", { class: isBad && "bad" }, build("dt", {}, name), build("dd", {}, value));
}
