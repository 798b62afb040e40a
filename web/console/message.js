/**
 * One message of a conversation on the operator's page: who said it, the words, and below an answer
 * its rung, sources, verdicts, tools and what the customer thought of it.
 *
 * It changes nothing. The rule that must not break: customers' and models' words come in by
 * `textContent` or the page's own safe Markdown, never as markup.
 */
import { build, setText } from "../elements.js";
import { markLanguage } from "../language.js";
import { MarkdownText } from "../markdown.js";
import { readOrigin } from "../origin.js";
import { describeKind, describeLabel } from "../origin_phrases.js";
import { chip, describeTime, sayOf } from "./parts.js";
import { RUNGS } from "./rows.js";

/** The list of messages; a growing answer only gets what is new. */
export class Messages {
  #root;
  #words;
  #items = [];

  constructor(root, words) {
    [this.#root, this.#words] = [root, words];
  }

  show(messages) {
    for (const gone of this.#items.splice(messages.length)) gone.element.remove();
    messages.forEach((message, index) => this.#place(message, index).show(message, this.#words));
  }

  #place(message, index) {
    const standing = this.#items[index];
    if (standing && standing.role === message.role && standing.runId === message.runId) return standing;
    const item = message.role === "handoff" ? new Change(message) : new Said(message);
    if (standing) standing.element.replaceWith(item.element);
    else this.#root.append(item.element);
    this.#items[index] = item;
    return item;
  }
}

class Change {
  constructor({ role, runId }) {
    [this.role, this.runId] = [role, runId];
    this.element = build("li", { class: "said-change" });
  }

  show({ text, atMs, operator }, words) {
    const parts = [words.say(Object.hasOwn(CHANGES, text) ? CHANGES[text] : "changeOther"), operator];
    if (atMs) parts.push(describeTime(atMs, words));
    setText(this.element, parts.filter(Boolean).join(" · "));
  }
}

class Said {
  #shown = null;
  #markdown = null;
  #text = "";

  constructor({ role, runId }) {
    [this.role, this.runId] = [role, runId];
    this.who = build("p", { class: "said-who", dir: "auto" });
    this.prose = build("div", { class: "prose", dir: "auto" });
    this.about = build("div", { class: "said-about" });
    this.element = build("li", { class: `said-message ${ROLES.includes(role) ? `said-${role}` : ""}` }, this.who, this.prose, this.about);
  }

  show(message, words) {
    if (this.#shown === message) return;
    this.#shown = message;
    this.#showWho(message, words);
    this.#showText(message);
    this.element.classList.toggle("growing", message.isGrowing);
    this.about.replaceChildren(...(this.role === "customer" ? [] : listAbout(message, words)));
  }

  #showWho({ role, operator, atMs }, words) {
    const name = operator || sayOf(words, "who", role);
    setText(this.who, atMs ? `${name} · ${describeTime(atMs, words)}` : name);
  }

  #showText({ text, role, isGrowing }) {
    markLanguage(this.prose, text);
    if (role === "customer") return setText(this.prose, text);
    if (text !== this.#text || !this.#markdown) {
      this.#markdown ??= new MarkdownText(this.prose);
      this.#markdown.show(text);
      this.#text = text;
    }
    if (isGrowing) return;
    this.#markdown.end();
    // One that goes on after its end is written anew.
    this.#markdown = null;
  }
}

function listAbout(message, words) {
  const parts = [];
  const chips = listChips(message, words);
  if (chips.length) parts.push(build("p", { class: "chips" }, ...chips));
  const sources = readOrigin({ ...message, source: message.source ?? "model" }).sources;
  if (sources.length) parts.push(buildSources(sources, words));
  const checks = [...message.tools.map(describeTool), ...message.verdicts.map(describeVerdict)];
  if (checks.length) parts.push(buildChecks(checks, words));
  return parts;
}

function listChips(message, words) {
  const chips = [];
  if (message.role === "assistant" && message.source) {
    const { isOfficial } = readOrigin(message);
    chips.push(chip(describeLabel(words, { isOfficial }), isOfficial ? "official" : "made"));
    if (RUNGS.includes(message.source)) chips.push(chip(words.say(`rung_${message.source}`)));
    if (message.score !== null) chips.push(chip(words.say("scoreOf", { score: message.score.toFixed(2) })));
    if (message.rule) chips.push(chip(message.rule, "code"));
  }
  if (message.isGrowing) chips.push(chip(words.say("isRunning"), "busy"));
  if (message.ending && message.ending !== "stop") chips.push(chip(words.say(Object.hasOwn(ENDINGS, message.ending) ? ENDINGS[message.ending] : "endOther")));
  if (message.error) chips.push(chip(words.say("answerBroke"), "bad"));
  if (message.feedback) chips.push(...listFeedback(message, words));
  return chips;
}

function listFeedback({ feedback, reason }, words) {
  const verdict = feedback?.verdict ?? feedback;
  const why = feedback?.reason || reason;
  const said = words.say(verdict === "up" ? "thumbUp" : "thumbDown");
  const because = Object.hasOwn(REASONS, why) ? `: ${words.say(REASONS[why])}` : "";
  return [chip(`${said}${because}`, verdict === "up" ? "good" : "bad")];
}

function buildSources(sources, words) {
  const items = sources.map(({ kind, title, quote, href }) => {
    const name = [describeKind(words, kind), title].filter(Boolean).join(" · ");
    const summary = build("summary", {}, name);
    const box = build("details", { class: "said-source" }, summary);
    box.append(build("blockquote", { dir: "auto" }, quote || title));
    if (href) {
      box.append(build("a", { href, target: "_blank", rel: "noopener noreferrer" }, words.say("openSource")));
    }
    return build("li", {}, box);
  });
  return build("ul", { class: "said-sources", "aria-label": words.say("sources") }, ...items);
}

function buildChecks(checks, words) {
  return build("details", { class: "said-source" },
    build("summary", {}, words.say("checks", { count: checks.length })),
    build("ul", { class: "said-checks" }, ...checks.map((text) => build("li", { dir: "auto" }, text))));
}

function describeTool(tool) {
  const { name = "", title = "", state = "" } = typeof tool === "string" ? { name: tool } : tool;
  return [title || name, state].filter(Boolean).join(" · ");
}

function describeVerdict(verdict) {
  if (typeof verdict === "string") return verdict;
  const { stage = "", rule = "", category = "", action = "" } = verdict;
  return [stage, rule, category, action].filter(Boolean).join(" · ");
}

const ROLES = Object.freeze(["customer", "assistant", "operator", "system"]);
const CHANGES = Object.freeze({
  bot: "changeBot", waiting: "changeWaiting", human: "changeHuman", closed: "changeClosed",
});
const ENDINGS = Object.freeze({
  length: "endLength", cancelled: "endCancelled", timeout: "endTimeout", refused: "endRefused",
  handed_over: "endHandedOver",
});
const REASONS = Object.freeze({
  wrong: "reasonWrong", off_topic: "reasonOffTopic", unclear: "reasonUnclear", other: "reasonOther",
});
