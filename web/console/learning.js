/**
 * The console's tab for misses: groups of questions that were not answered well, an entry made of
 * one, tried, published and undone.
 *
 * It decides nothing and keeps nothing; the server tries and publishes. The rule that must not
 * break: nothing is published that was not tried as it stands, and nothing is undone by one press.
 */
import { build, setText } from "../elements.js";
import { Draft } from "./learning_draft.js";
import { askPatiently } from "./learning_patience.js";
import { describeEntryRefusal } from "./learning_refusals.js";
import { PublishedList } from "./learning_published.js";
import { LEARNING } from "./learning_words.js";

const STYLE = "/web/console/learning.css";
const REASONS = Object.freeze({
  fallback: "reasonFallback", unknown: "reasonUnknown", low_score: "reasonLowScore",
  disliked: "reasonDisliked", handed_over: "reasonHandedOver",
});

/** Puts the tab into `root`; `close` ends what it still waits for. */
export function open(root, server, words) {
  const tab = new Learning(root, server, words.with(LEARNING));
  tab.begin();
  return { close: () => tab.close() };
}

class Learning {
  #root;
  #server;
  #words;
  #isClosed = false;
  #summary = build("p", { class: "learn-summary" });
  #status = build("p", { class: "learn-status", role: "status" });
  #groups = build("ul", { class: "learn-groups" });
  #draft;
  #published;

  constructor(root, server, words) {
    [this.#root, this.#server, this.#words] = [root, server, words];
    const mayChange = server.mayChange !== false;
    this.#draft = new Draft(server, words, mayChange, (text) => this.#tell(text));
    this.#published = new PublishedList(server, words, mayChange, (text) => this.#tell(text));
    this.#draft.addEventListener("published", () => this.#read());
    this.#published.addEventListener("undone", () => this.#read());
  }

  begin() {
    addStyle();
    const again = build("button", { class: "learn-button", type: "button" }, this.#words.say("learnAgain"));
    again.addEventListener("click", () => this.#read());
    const heading = build("h2", {}, this.#words.say("learnTitle"));
    const list = build("section", { class: "learn-list" },
      build("h3", {}, this.#words.say("learnGroups")), this.#groups);
    const columns = build("div", { class: "learn-columns" }, list, this.#draft.element);
    this.#root.replaceChildren(build("div", { class: "learn" },
      heading, this.#summary, again, this.#status, columns, this.#published.element));
    this.#read();
  }

  close() {
    this.#isClosed = true;
    this.#root.replaceChildren();
  }

  #tell(text) {
    setText(this.#status, text);
  }

  async #read() {
    if (!this.#groups.children.length) setText(this.#summary, this.#words.say("learnRead"));
    try {
      const [missed, entries] = await Promise.all([
        askPatiently(() => this.#server.get("/console/misses")), this.#server.get("/console/entries"),
      ]);
      if (this.#isClosed) return;
      this.#show(missed);
      this.#published.show(entries);
    } catch (error) {
      if (!this.#isClosed) this.#tell(this.#words.say("learnFailed", { message: describeEntryRefusal(this.#words, error) }));
    }
  }

  #show(missed) {
    setText(this.#summary, this.#summarise(missed));
    const texts = missed.groups.length ? [] : [build("li", {}, this.#words.say("learnNone"))];
    this.#groups.replaceChildren(...texts, ...missed.groups.map((group) => this.#showGroup(group)));
  }

  #summarise({ asked, answered, learned, is_cut: isCut }) {
    if (!asked) return this.#words.say("learnNobody");
    const percent = Math.round((1000 * answered) / asked) / 10;
    const lines = [this.#words.say("learnShare", { asked, answered, percent })];
    if (learned) lines.push(this.#words.say("learnLearned", { learned }));
    if (isCut) lines.push(this.#words.say("learnCut"));
    return lines.join(" ");
  }

  #showGroup(group) {
    const { title, questions, reasons } = group;
    const told = Object.entries(reasons).sort((one, other) => other[1] - one[1])
      .map(([reason, count]) => `${this.#words.say(REASONS[reason] ?? "reasonFallback")} ${count}`);
    const choose = build("button", { class: "learn-group", type: "button" },
    build("span", { class: "learn-group-title", lang: group.language }, title),
    build("span", { class: "learn-group-facts" },
      `${this.#words.say("learnCount", { questions })} · ${told.join(", ")}`));
    choose.addEventListener("click", () => {
      for (const other of this.#groups.querySelectorAll("[aria-pressed]")) other.removeAttribute("aria-pressed");
      choose.setAttribute("aria-pressed", "true");
      this.#draft.take(group);
    });
    const add = build("button", {
      class: "learn-add", type: "button", title: this.#words.say("learnAdd"),
      "aria-label": `${this.#words.say("learnAdd")}: ${title}`,
    }, "+");
    add.addEventListener("click", () => this.#draft.add(group));
    return build("li", {}, choose, add);
  }
}

function addStyle() {
  if (document.querySelector(`link[href="${STYLE}"]`)) return;
  document.head.append(build("link", { rel: "stylesheet", href: STYLE }));
}
