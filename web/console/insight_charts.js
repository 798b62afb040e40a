/**
 * One chart of the insight tab: drawn by uPlot for eyes, and beside it the same numbers as a table.
 *
 * It reads no figures and keeps none. The rule that must not break: the drawing says nothing to a
 * screen reader, the table says all of it.
 */
import uPlot from "../vendor/uplot/uPlot.esm.js";
import { build } from "../elements.js";
import { stack, tellCount, tellMoment } from "./insight_series.js";

const HEIGHT_PX = 220;
const LEAST_WIDTH_PX = 240;
const LABEL_PX = 70;
const BAR_SHARE = 0.8;
const BAR_MOST_PX = 48;

/** `element` is to be put into the page and then drawn by `draw`. */
export class Chart {
  #chart;
  #step;
  #words;
  #plot = null;
  #place = build("div", { class: "plot", "aria-hidden": "true" });
  #legend;
  #watch = new ResizeObserver(() => this.#fit());

  constructor(chart, step, words) {
    this.#chart = chart;
    this.#step = step;
    this.#words = words;
    this.#legend = build("ul", { class: "legend" }, ...chart.names.map((name, place) =>
      build("li", {},
        build("span", { class: `swatch rung-${chart.colours[place]}`, "aria-hidden": "true" }),
        words.say(name))));
    this.element = build("figure", { class: "chart" },
      build("figcaption", {}, words.say(chart.key)),
      this.#legend, this.#place, this.#buildTable());
  }

  /** Once the element stands in the page; again after its colours changed. */
  draw() {
    this.#plot?.destroy();
    const { x, columns, kind } = this.#chart;
    // The tallest stands behind the others.
    const drawn = kind === "stack" ? stack(columns).reverse() : columns;
    this.#plot = new uPlot(this.#describe(drawn.length), [x, ...drawn], this.#place);
    this.#watch.observe(this.#place);
  }

  close() {
    this.#watch.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  #describe(count) {
    const colours = this.#readColours();
    if (this.#chart.kind === "stack") colours.reverse();
    const { isHours } = this.#chart;
    const tell = (value) => tellMoment(this.#chart, value, this.#step, this.#words.language);
    const ink = getComputedStyle(this.#place).color;
    const line = getComputedStyle(this.#legend).borderTopColor;
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    return {
      width: this.#measure(),
      height: HEIGHT_PX,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { time: !isHours, range: isHours ? [-0.5, 23.5] : pad },
        y: { range: (_, low, high) => [0, Math.max(1, high ?? 1) * 1.05] },
      },
      axes: [
        { ...axis, space: LABEL_PX, values: (_, splits) => splits.map((value) => (Number.isInteger(value) || !isHours ? tell(value) : "")) },
        { ...axis, values: (_, splits) => splits.map((value) => tellCount(value, this.#words.language)) },
      ],
      series: [{}, ...Array.from({ length: count }, (_, place) => this.#describeSeries(colours[place], place, count))],
    };
  }

  #describeSeries(colour, place, count) {
    if (this.#chart.kind === "lines") {
      return { stroke: colour, width: 2, spanGaps: true, points: { show: true, size: 5, fill: colour } };
    }
    const isBeside = this.#chart.kind === "bars";
    const share = isBeside ? BAR_SHARE / count : BAR_SHARE;
    const align = isBeside && count > 1 ? (place === 0 ? -1 : 1) : 0;
    return {
      stroke: colour,
      fill: colour,
      width: 0,
      points: { show: false },
      paths: uPlot.paths.bars({ size: [share, BAR_MOST_PX], align }),
    };
  }

  /** As the stylesheet has them now. */
  #readColours() {
    return [...this.#legend.querySelectorAll(".swatch")].map((swatch) => getComputedStyle(swatch).backgroundColor);
  }

  #measure() {
    return Math.max(LEAST_WIDTH_PX, Math.floor(this.#place.clientWidth));
  }

  #fit() {
    if (this.#plot && this.#plot.width !== this.#measure()) {
      this.#plot.setSize({ width: this.#measure(), height: HEIGHT_PX });
    }
  }

  #buildTable() {
    const { x, columns, names, isHours, key } = this.#chart;
    const { language } = this.#words;
    const say = (name) => this.#words.say(name);
    const rows = x.map((value, place) => build("tr", {},
      build("th", { scope: "row" }, tellMoment(this.#chart, value, this.#step, language)),
      ...columns.map((column) => build("td", {}, column[place] === null ? "–" : tellCount(column[place], language)))));
    return build("details", { class: "as-table" },
      build("summary", {}, say("insightTable"), build("span", { class: "unseen" }, `: ${say(key)}`)),
      build("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": say(key) },
        build("table", {},
          build("thead", {}, build("tr", {},
            build("th", { scope: "col" }, say(isHours ? "insightHour" : "insightTime")),
            ...names.map((name) => build("th", { scope: "col" }, say(name))))),
          build("tbody", {}, ...rows))));
  }
}

/** A little room at both ends, or the first and the last bar would be cut in half. */
function pad(_, low, high) {
  const room = Math.max(1800, (high - low) * 0.02);
  return [low - room, high + room];
}
