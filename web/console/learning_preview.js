/**
 * What trying an entry found, as elements: what was taken out, what collides, what would change.
 *
 * It asks nobody. The rule that must not break: every text of a customer is a text node.
 */
import { build } from "../elements.js";

const KINDS = new Set([
  "name", "phone", "email", "url", "address", "order", "tracking", "card", "identity", "number",
]);
const RUNGS = new Set([
  "rule", "handoff", "faq", "near", "document", "phrased", "tool", "model", "fallback",
]);

export function showPreview(preview, words) {
  const { faults, warnings, collisions, changes } = preview;
  return [
    ...faults.map((fault) => alarm(words.say("learnFault", { fault }))),
    ...collisions.map((one) => warn(words.say(one.is_same ? "learnSame" : "learnAlike", one))),
    ...warnings.map((one) => warn(describeWarning(one, words))),
    build("p", { class: "learn-effect" }, describeEffect(preview, words)),
    build("h4", {}, words.say("learnChanges")),
    changes.length ? showChanges(changes, words) : build("p", {}, words.say("learnNoChange")),
  ];
}

function describeEffect(preview, words) {
  const { asked, answered_before: before, answered_after: after, wordings, replayed, passed, is_cut: isCut } = preview;
  const change = after - before;
  const told = [
    words.say("learnTried", { asked, before, after, change: change > 0 ? `+${change}` : `${change}` }),
    words.say("learnReplayed", { wordings, replayed, passed }),
  ];
  const left = wordings - replayed - passed;
  if (left > 0 && !preview.is_running) told.push(words.say("learnLeft", { left }));
  if (isCut) told.push(words.say("learnTriedCut"));
  return told.join(" ");
}

function describeWarning({ field, place, kinds }, words) {
  const named = kinds.map((kind) => words.say(KINDS.has(kind) ? `kind${capitalise(kind)}` : "kindOther")).join(", ");
  if (field === "answer") return words.say("learnWarnedAnswer", { kinds: named });
  const where = field === "question"
    ? words.say("learnFieldQuestion") : words.say("learnFieldPhrasing", { place: place + 1 });
  return words.say("learnWarned", { field: where, kinds: named });
}

/** As a table in a box of its own, of class `kind`. */
export function showChanges(changes, words, kind = "learn-scroll") {
  const head = ["learnAsked", "learnNow", "learnThen", "learnTimes"]
    .map((key) => build("th", { scope: "col" }, words.say(key)));
  const rows = changes.map(({ text, times, before, after, gain }) =>
    build("tr", { class: gain < 0 ? "learn-worse" : gain > 0 ? "learn-better" : null },
      build("td", {}, text), build("td", {}, tell(before, words)), build("td", {}, tell(after, words)),
      build("td", {}, `${times}`)));
  const table = build("table", {}, build("thead", {}, build("tr", {}, ...head)), build("tbody", {}, ...rows));
  return build("div", { class: kind, tabindex: "0", role: "region", "aria-label": words.say("learnChanges") }, table);
}

function tell({ rung, title }, words) {
  const named = RUNGS.has(rung) ? words.say(`rung${capitalise(rung)}`) : rung;
  return title ? `${named}: ${title}` : named;
}

function capitalise(name) {
  return name[0].toUpperCase() + name.slice(1);
}

function alarm(text) {
  return build("p", { class: "learn-alarm", role: "alert" }, text);
}

function warn(text) {
  return build("p", { class: "learn-warning" }, text);
}
