/**
 * The figures as columns of numbers and as texts: what the charts draw and the tables say.
 *
 * It touches no page and draws nothing. The rule that must not break: a chart and its table are made
 * of the same columns, so neither tells what the other does not.
 */

/** The rungs in the order in which they are drawn, each with the key of its name. */
export const RUNGS = Object.freeze([
  ["rule", "rungRule"],
  ["faq", "rungFaq"],
  ["near", "rungNear"],
  ["tool", "rungTool"],
  ["knowledge", "rungKnowledge"],
  ["model", "rungModel"],
  ["fallback", "rungFallback"],
  ["human", "rungHuman"],
]);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MINUTE_MS = 60_000;
const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];

/** Spans that can be chosen: days up to now, 0 being today since midnight. */
export const PERIODS = Object.freeze([
  [0, "insightDay"],
  [7, "insightWeek"],
  [30, "insightMonth"],
  [365, "insightYear"],
]);

export function findSpan(days, now = new Date()) {
  if (days === 0) {
    const midnight = new Date(now);
    midnight.setHours(0, 0, 0, 0);
    return { from: midnight.getTime(), to: now.getTime() + MINUTE_MS };
  }
  return { from: now.getTime() - days * DAY_MS, to: now.getTime() + MINUTE_MS };
}

/** Each chart as {key, kind, names, x, columns}: `names` are keys of words, one for each column. */
export function listCharts(figures) {
  const { steps } = figures;
  const times = steps.map((step) => step.at_ms / 1000);
  const seconds = (name) => steps.map((step) => (step[name] === null ? null : round(step[name] / 1000)));
  const shown = RUNGS.filter(([rung]) => steps.some((step) => step.rungs[rung]));
  return [
    {
      key: "insightByRung",
      kind: "stack",
      x: times,
      colours: shown.map(([rung]) => rung),
      names: shown.map(([, name]) => name),
      columns: shown.map(([rung]) => steps.map((step) => step.rungs[rung] ?? 0)),
    },
    {
      key: "insightBySpeed",
      kind: "lines",
      x: times,
      colours: ["faq", "model"],
      names: ["insightTtft", "insightAnswer"],
      columns: [seconds("ttft_ms"), seconds("total_ms")],
    },
    {
      key: "insightByPerson",
      kind: "bars",
      x: times,
      colours: ["human", "fallback"],
      names: ["insightHandovers", "insightMisses"],
      columns: [steps.map((step) => step.waiting), steps.map((step) => step.misses)],
    },
    {
      key: "insightByHour",
      kind: "bars",
      isHours: true,
      x: figures.by_hour.map((_, hour) => hour),
      colours: ["faq", "fallback"],
      names: ["insightQuestions", "insightMisses"],
      columns: [figures.by_hour, figures.misses_by_hour],
    },
  ];
}

/** Columns on top of one another, for drawing: each is the sum of itself and those before it. */
export function stack(columns) {
  let below = [];
  return columns.map((column) => {
    below = column.map((value, place) => (below[place] ?? 0) + value);
    return below;
  });
}

/** A moment as the axis and the table tell it; an hour of the day is only its number. */
export function tellMoment(chart, value, step, language) {
  if (chart.isHours) return `${String(value).padStart(2, "0")}:00`;
  const shape = step === "hour"
    ? { day: "numeric", month: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }
    : { day: "numeric", month: "numeric" };
  return new Intl.DateTimeFormat(language, shape).format(new Date(value * 1000));
}

export function tellDuration(ms, language) {
  if (ms === null || ms === undefined) return null;
  if (ms >= 2 * MINUTE_MS) return unit(ms / MINUTE_MS, "minute", language);
  return unit(round(ms / 1000), "second", language);
}

export function tellBytes(bytes, language) {
  if (bytes === null || bytes === undefined) return null;
  const place = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return unit(bytes / 1000 ** place, UNITS[place], language);
}

export function tellCount(count, language) {
  return new Intl.NumberFormat(language).format(count);
}

export function tellShare(part, whole, language) {
  if (!whole) return null;
  return new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(part / whole);
}

/** Hours at which it was asked most, as "10:00". */
export function findPeak(byHour) {
  const most = Math.max(...byHour);
  return most ? `${String(byHour.indexOf(most)).padStart(2, "0")}:00` : "";
}

export function countHours(seconds) {
  return Math.floor((seconds * 1000) / HOUR_MS);
}

function unit(value, name, language) {
  return new Intl.NumberFormat(language, {
    style: "unit", unit: name, unitDisplay: "short", maximumFractionDigits: value < 10 ? 2 : 1,
  }).format(value);
}

function round(value) {
  return Math.round(value * 100) / 100;
}
