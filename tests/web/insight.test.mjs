import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  RUNGS, findPeak, findSpan, listCharts, stack, tellBytes, tellDuration, tellMoment, tellShare,
} from "../../web/console/insight_series.js";
import { INSIGHT } from "../../web/console/insight_words.js";

const CONSOLE = new URL("../../web/console/", import.meta.url);
const STEP = {
  at_ms: 1_795_000_000_000, questions: 3, rungs: { faq: 2, near: 1 }, misses: 1, failed: 0, waiting: 1,
  up: 0, down: 1, ttft_ms: 120, total_ms: null, waiting_ms: null,
};
const FIGURES = {
  step: "day",
  steps: [STEP, { ...STEP, at_ms: STEP.at_ms + 86_400_000, rungs: { model: 4 }, total_ms: 2500 }],
  by_hour: Array.from({ length: 24 }, (_, hour) => hour % 5),
  misses_by_hour: Array(24).fill(0),
};

function listPlaceholders(text) {
  return [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
}

test("both languages have the same keys and the same placeholders, and each is used", () => {
  const { zh, en } = INSIGHT;
  assert.deepEqual(Object.keys(en), Object.keys(zh));
  const scripts = ["insight.js", "insight_charts.js", "insight_series.js"]
    .map((name) => readFileSync(new URL(name, CONSOLE), "utf8")).join();
  for (const key of Object.keys(zh)) {
    assert.deepEqual(listPlaceholders(en[key]), listPlaceholders(zh[key]), key);
    assert.ok(scripts.includes(`"${key}"`), `${key} is used nowhere`);
  }
});

test("every chart has a column, a name and a colour for each of its lines", () => {
  const charts = listCharts(FIGURES);
  assert.equal(charts.length, 4);
  const style = readFileSync(new URL("insight.css", CONSOLE), "utf8");
  for (const { x, columns, names, colours } of charts) {
    assert.equal(names.length, columns.length);
    assert.equal(colours.length, columns.length);
    for (const column of columns) assert.equal(column.length, x.length);
    for (const name of names) assert.ok(Object.hasOwn(INSIGHT.en, name), name);
    for (const colour of colours) assert.ok(style.includes(`.rung-${colour} `), colour);
  }
});

test("a rung nobody climbed to is not drawn, and what was not measured is no 0", () => {
  const [byRung, speed] = listCharts(FIGURES);
  assert.deepEqual(byRung.colours, ["faq", "near", "model"]);
  assert.deepEqual(byRung.columns, [[2, 0], [1, 0], [0, 4]]);
  assert.deepEqual(speed.columns, [[0.12, 0.12], [null, 2.5]]);
  assert.ok(RUNGS.length > byRung.colours.length);
});

test("stacked columns end in their sums", () => {
  assert.deepEqual(stack([[2, 0], [1, 0], [0, 4]]), [[2, 0], [3, 0], [3, 4]]);
  assert.deepEqual(stack([]), []);
});

test("today begins at midnight and a week has seven days", () => {
  const now = new Date(2026, 10, 20, 15, 30);
  assert.equal(findSpan(0, now).from, new Date(2026, 10, 20).getTime());
  assert.equal(now.getTime() - findSpan(7, now).from, 7 * 86_400_000);
  assert.ok(findSpan(7, now).to > now.getTime());
});

test("numbers are told for people, and what is not known as nothing", () => {
  assert.equal(tellDuration(1234, "en"), "1.23 sec");
  assert.equal(tellDuration(300_000, "en"), "5 min");
  assert.equal(tellDuration(null, "en"), null);
  assert.equal(tellBytes(2_500_000_000, "en"), "2.5 GB");
  assert.equal(tellBytes(0, "en"), "0 byte");
  assert.equal(tellBytes(null, "zh"), null);
  assert.equal(tellShare(1, 0, "en"), null);
  assert.equal(tellShare(3, 4, "en"), "75%");
  assert.equal(findPeak([0, 3, 1]), "01:00");
  assert.equal(findPeak([0, 0]), "");
  assert.equal(tellMoment({ isHours: true }, 7, "day", "en"), "07:00");
});
