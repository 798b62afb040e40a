/**
 * Where an answer comes from, as the server tells it: rung, label, score, sources, suggestions.
 *
 * It has no words and touches no page. The rules that must not break: what is not told to be the
 * shop's own text counts as AI-generated, and a source's link leads to http or https or nowhere.
 *
 * A source is {kind, title, quote, href}, its kind "faq" or "passage".
 */
const OFFICIAL = "official";
const MAX_SUGGESTIONS = 3;
const WEB_ADDRESS = /^https?:\/\//i;

/** The rungs that give the shop’s own words and figures to the letter. */
const SHOPS_OWN = ["rule", "faq", "tool", "fallback", "human"];

/** Whole messages that come without a turn of their own. */
const SPEAKERS = { operator: "human", system: "rule" };

export const UNKNOWN = Object.freeze({
  source: null, name: "", isOfficial: false, score: null, rule: "", isCached: false,
  sources: Object.freeze([]), suggestions: Object.freeze([]),
});

/** From an event's or a stored message's `fields`, of which any may be missing. */
export function readOrigin(fields) {
  const source = fields.source ?? SPEAKERS[fields.role] ?? null;
  if (source === null) return UNKNOWN;
  return {
    source,
    name: fields.name ?? "",
    isOfficial: fields.label ? fields.label === OFFICIAL : SHOPS_OWN.includes(source),
    score: fields.score ?? null,
    rule: fields.rule ?? "",
    isCached: fields.cached ?? false,
    sources: (fields.sources ?? []).map(readSource),
    suggestions: (fields.suggestions ?? []).slice(0, MAX_SUGGESTIONS),
  };
}

function readSource({ kind, title, quote, href }) {
  return { kind, title, quote: quote ?? "", href: WEB_ADDRESS.test(href) ? href : "" };
}
