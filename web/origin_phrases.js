/**
 * What to say about where an answer comes from: its label, its rung, its time, its facts.
 *
 * It holds no text and touches no page. The rule that must not break: every answer with a text
 * finds a label, and only the shop's own words are called official.
 */
const RUNGS = {
  rule: { name: "rungRule", how: "howRule" },
  faq: { name: "rungFaq", how: "howFaq" },
  tool: { name: "rungTool", how: "howTool" },
  knowledge: { name: "rungKnowledge", how: "howKnowledge" },
  model: { name: "rungModel", how: "howModel" },
  fallback: { name: "rungFallback", how: "howFallback" },
  human: { name: "rungHuman", how: "howHuman" },
};
const KINDS = { faq: "sourceFaq", passage: "sourcePassage" };
const SECOND_MS = 1000;

export function describeLabel(words, { isOfficial }) {
  return words.say(isOfficial ? "official" : "generated");
}

/** The rung, the time and whether the answer was stored, as far as they are known. */
export function describeRung(words, { origin, totalMs }) {
  const rung = find(RUNGS, origin.source);
  const parts = [];
  if (rung) parts.push(words.say(rung.name));
  if (origin.name) parts.push(origin.name);
  if (totalMs !== null) parts.push(describeTime(words, totalMs));
  if (origin.isCached) parts.push(words.say("cached"));
  return parts.join(" · ");
}

/** All that is known of an answer, each as [name, value]. */
export function listFacts(words, { origin, totalMs }) {
  const { source, score, rule, isCached } = origin;
  const facts = [["factHow", words.say(find(RUNGS, source)?.how ?? "howUnknown")]];
  if (totalMs !== null) facts.push(["factTime", words.say("milliseconds", { count: round(totalMs) })]);
  if (score !== null) facts.push(["factScore", words.say("score", { score: score.toFixed(2) })]);
  if (rule) facts.push(["factRule", rule]);
  if (isCached) facts.push(["factCached", words.say("cachedHow")]);
  return facts.map(([name, value]) => [words.say(name), value]);
}

/** "" for a kind of tomorrow. */
export function describeKind(words, kind) {
  const key = find(KINDS, kind);
  return key ? words.say(key) : "";
}

function describeTime(words, ms) {
  if (ms < SECOND_MS) return words.say("milliseconds", { count: round(ms) });
  return words.say("seconds", { seconds: (ms / SECOND_MS).toFixed(1) });
}

/** Whole milliseconds, never zero: no answer takes no time. */
function round(ms) {
  return Math.max(1, Math.round(ms));
}

function find(table, key) {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
