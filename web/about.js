/**
 * The box that says what answers here: model, state, storage, threads, memory, version, notes.
 *
 * It shows what `/readyz` says and measures nothing. The rule that must not break: what is not
 * known is called so, and no number is shown without its meaning.
 */
const STATES = { ready: "stateReady", loading: "stateLoading", unavailable: "stateUnavailable" };
const KNOWLEDGE = { ...STATES, ready: "knowledgeReady" };
const STORES = {
  ready: "storeReady",
  opening: "storeOpening",
  full: "storeFull",
  unavailable: "storeUnavailable",
};
const BAD_STORES = ["full", "unavailable"];

export class About {
  #box = document.getElementById("about");
  #facts = document.getElementById("about-facts");
  #notes = document.getElementById("about-notes");

  constructor() {
    document.getElementById("close-about").addEventListener("click", () => this.#box.close());
  }

  open() {
    this.#box.showModal();
  }

  /** `readiness` is null while the server cannot be reached. */
  show(readiness, words) {
    const facts = readiness ? listFacts(readiness, words) : [["aboutState", words.say("aboutUnreached")]];
    this.#facts.replaceChildren(
      ...facts.map(([key, value, isBad]) => createFact(words.say(key), value, isBad)));
    const notes = readiness?.notes ?? [];
    this.#notes.hidden = notes.length === 0;
    this.#notes.querySelector("ul").replaceChildren(...notes.map(createNote));
  }
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
  const row = document.createElement("div");
  const term = document.createElement("dt");
  const description = document.createElement("dd");
  term.textContent = name;
  description.textContent = value;
  row.classList.toggle("bad", isBad);
  row.append(term, description);
  return row;
}

function createNote(note) {
  const item = document.createElement("li");
  item.textContent = note;
  return item;
}
