import assert from "node:assert/strict";
import { test } from "node:test";

import { UNKNOWN, readOrigin } from "../../web/origin.js";
import { describeKind, describeLabel, describeRung, listFacts } from "../../web/origin_phrases.js";
import { LANGUAGES, Words } from "../../web/words.js";

const words = new Words("en");
const SOURCES = ["rule", "faq", "tool", "knowledge", "model", "fallback", "human"];

function describe(fields, totalMs = null) {
  return describeRung(words, { origin: readOrigin(fields), totalMs });
}

function label(fields) {
  return describeLabel(words, readOrigin(fields));
}

test("what is not told to be the shop's own counts as AI-generated", () => {
  assert.equal(readOrigin({}), UNKNOWN);
  assert.equal(label({}), "AI-generated");
  assert.equal(label({ source: "of_tomorrow" }), "AI-generated");
  assert.equal(label({ source: "model" }), "AI-generated");
  assert.equal(label({ source: "knowledge" }), "AI-generated");
  assert.equal(label({ source: "faq" }), "Official answer");
  assert.equal(label({ source: "fallback" }), "Official answer");
});

test("the server's label wins over what the source would say", () => {
  assert.equal(label({ source: "faq", label: "ai" }), "AI-generated");
  assert.equal(label({ source: "tool", label: "official" }), "Official answer");
  assert.equal(label({ source: "faq", label: "of_tomorrow" }), "AI-generated");
});

test("a whole message is its speaker's", () => {
  assert.equal(readOrigin({ role: "operator" }).source, "human");
  assert.equal(readOrigin({ role: "system" }).source, "rule");
  assert.equal(readOrigin({ role: "assistant" }), UNKNOWN);
});

test("a source leads to http or https or nowhere", () => {
  const read = (href) => readOrigin({ source: "faq", sources: [{ title: "t", href }] }).sources[0].href;
  for (const href of ["http://shop.example/", "https://shop.example/a?b#c", "HTTPS://shop.example"]) {
    assert.equal(read(href), href);
  }
  for (const href of ["", undefined, null, "javascript:alert(1)", " https://x", "//x", "data:text/html,1",
    "file:///x", "https:x", "mailto:a@b"]) {
    assert.equal(read(href), "", String(href));
  }
});

test("no more than three suggestions are offered", () => {
  const { suggestions } = readOrigin({ source: "faq", suggestions: ["a", "b", "c", "d"] });
  assert.deepEqual(suggestions, ["a", "b", "c"]);
});

test("the line has rung, time and whether the answer was stored", () => {
  assert.equal(describe({ source: "faq" }, 12.4), "FAQ · 12 ms");
  assert.equal(describe({ source: "rule" }, 0.02), "set reply · 1 ms");
  assert.equal(describe({ source: "model" }, 2345), "written by Helper · 2.3 s");
  assert.equal(describe({ source: "knowledge", cached: true }, 3),
    "from the shop’s documents · 3 ms · stored answer");
  assert.equal(describe({ source: "faq" }), "FAQ");
  assert.equal(describe({}), "");
  assert.equal(describe({ source: "constructor" }, 5), "5 ms");
});

test("score and rule stand in the facts, and only where there are any", () => {
  const origin = readOrigin({ source: "faq", score: 0.9617, rule: "greeting" });
  const facts = listFacts(words, { origin, totalMs: 2345.6 }).map(([, value]) => value);
  assert.deepEqual(facts.slice(1), ["2346 ms", "0.96 (1 at most)", "greeting"]);
  assert.equal(listFacts(words, { origin: UNKNOWN, totalMs: null }).length, 1);
  const zero = readOrigin({ source: "faq", score: 0 });
  assert.match(listFacts(words, { origin: zero, totalMs: null })[1][1], /^0\.00/);
});

test("every rung has its own words in every language", () => {
  for (const language of Object.keys(LANGUAGES)) {
    const spoken = new Words(language);
    const names = SOURCES.map((source) =>
      describeRung(spoken, { origin: readOrigin({ source }), totalMs: null }));
    const ways = SOURCES.map((source) =>
      listFacts(spoken, { origin: readOrigin({ source }), totalMs: null })[0][1]);
    for (const said of [names, ways]) assert.equal(new Set(said.filter(Boolean)).size, SOURCES.length);
  }
});

test("a kind of source we have no word for has none", () => {
  assert.equal(describeKind(words, "passage"), "Document");
  assert.equal(describeKind(words, "of_tomorrow"), "");
});
