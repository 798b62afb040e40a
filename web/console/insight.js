/**
 * The console's insight tab: how much was asked, who answered and how fast, what nobody knew, and
 * how the box is.
 *
 * It sums nothing; the server does. The plot library is loaded by this tab alone. The rule that must
 * not break: customers' words stand here as text nodes and nothing else.
 */
import { build } from "../elements.js";
import { Chart } from "./insight_charts.js";
import {
  PERIODS, RUNGS, countHours, findPeak, findSpan, listCharts, tellBytes, tellCount, tellDuration, tellShare,
} from "./insight_series.js";
import { INSIGHT } from "./insight_words.js";

const BOX_PAUSE_MS = 20_000;
const MOST_DAYS = 3;
const STYLES = ["/web/vendor/uplot/uPlot.min.css", "/web/console/insight.css"];
const DEFAULT_DAYS = 7;

/** Fills `root`; `close` ends what it began. */
export function open(root, server, words) {
  const tab = new Insight(root, server, words.with(INSIGHT));
  return { close: () => tab.close() };
}

class Insight {
  #server;
  #words;
  #charts = [];
  #asked = 0;
  #days = DEFAULT_DAYS;
  #status = build("p", { class: "insight-status", role: "status" });
  #figures = build("div", { class: "insight-figures" });
  #box = build("dl", { class: "insight-facts" });
  #csv;
  #timer;
  #theme = matchMedia("(prefers-color-scheme: dark)");
  #chosen = new MutationObserver(() => this.#redraw());
  #redraw = () => this.#charts.forEach((chart) => chart.draw());

  constructor(root, server, words) {
    this.#server = server;
    this.#words = words;
    const say = (key) => words.say(key);
    this.#csv = build("a", { class: "quiet", download: "figures.csv" }, say("insightCsv"));
    root.replaceChildren(
      ...STYLES.map((href) => build("link", { rel: "stylesheet", href })),
      build("div", { class: "insight" },
        build("h2", {}, say("insightTitle")),
        build("div", { class: "insight-bar" }, this.#buildPeriods(), this.#csv),
        this.#status,
        this.#figures,
        build("section", { "aria-labelledby": "insight-box" },
          build("h3", { id: "insight-box" }, say("insightBox")), this.#box)));
    this.#theme.addEventListener("change", this.#redraw);
    this.#chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    this.#timer = setInterval(() => this.#showBox(), BOX_PAUSE_MS);
    this.#showBox();
    this.#show();
  }

  close() {
    this.#asked += 1;
    clearInterval(this.#timer);
    this.#theme.removeEventListener("change", this.#redraw);
    this.#chosen.disconnect();
    this.#closeCharts();
  }

  #buildPeriods() {
    const field = build("fieldset", { class: "periods" },
      build("legend", { class: "unseen" }, this.#words.say("insightPeriod")),
      ...PERIODS.map(([days, name]) => build("label", {},
        build("input", { type: "radio", name: "period", value: days, checked: days === this.#days }),
        build("span", {}, this.#words.say(name)))));
    field.addEventListener("change", ({ target }) => {
      this.#days = Number(target.value);
      this.#show();
    });
    return field;
  }

  async #show() {
    this.#asked += 1;
    const asked = this.#asked;
    const { from, to } = findSpan(this.#days);
    const span = `from_ms=${from}&to_ms=${to}`;
    this.#csv.href = `/console/figures.csv?${span}`;
    this.#tell(this.#words.say("insightLoading"));
    try {
      const figures = await this.#server.get(`/console/figures?${span}`);
      if (asked === this.#asked) this.#showFigures(figures);
    } catch (error) {
      if (asked === this.#asked) this.#tell(error.message, true);
    }
  }

  #showFigures(figures) {
    const { language } = this.#words;
    this.#closeCharts();
    const count = tellCount(figures.totals.questions, language);
    this.#tell(this.#words.say(figures.is_cut ? "insightCut" : "insightLoaded", { questions: count, count }));
    this.#charts = figures.totals.questions || figures.totals.waiting
      ? listCharts(figures).map((chart) => new Chart(chart, figures.step, this.#words))
      : [];
    this.#figures.replaceChildren(
      this.#buildTotals(figures),
      build("div", { class: "charts" }, ...this.#charts.map(({ element }) => element)),
      this.#buildGroups("insightTop", figures.questions),
      this.#buildGroups("insightTopMisses", figures.misses));
    this.#redraw();
  }

  #buildTotals({ totals, ttft, answer, waiting, ratings, rungs }) {
    const { language } = this.#words;
    const count = (value) => tellCount(value, language);
    const time = (value) => tellDuration(value, language);
    const answered = Object.values(rungs).reduce((sum, value) => sum + value, 0);
    const alone = answered - (rungs.human ?? 0) - (rungs.fallback ?? 0) - totals.waiting;
    const facts = [
      ["insightQuestions", count(totals.questions)],
      ["insightConversations", count(totals.conversations)],
      ["insightAlone", tellShare(Math.max(0, alone), totals.questions, language)],
      ["insightMisses", count(totals.misses)],
      ["insightFailed", count(totals.failed)],
      ["insightHandovers", count(totals.waiting)],
      ["insightTaken", count(totals.taken)],
      ["insightWaiting", time(waiting.median_ms)],
      ["insightTtft", time(ttft.median_ms)],
      ["insightTtftP95", time(ttft.p95_ms)],
      ["insightAnswer", time(answer.median_ms)],
      ["insightAnswerP95", time(answer.p95_ms)],
      ["insightThumbs", `${count(totals.up)} / ${count(totals.down)}`],
      ["insightStars", ratings.mean === null ? null : `${count(ratings.mean)} (${count(ratings.count)})`],
    ];
    return build("dl", { class: "insight-facts" }, ...this.#listFacts(facts, "insightNotYet"));
  }

  #buildGroups(title, groups) {
    const say = (key) => this.#words.say(key);
    const id = `groups-${title}`;
    const rows = groups.map((one) => build("tr", {},
      build("th", { scope: "row", class: "said" }, one.text),
      build("td", {}, tellCount(one.count, this.#words.language)),
      build("td", {}, this.#listSources(one.sources)),
      build("td", {}, findPeak(one.by_hour)),
      build("td", {}, listDays(one.by_day))));
    const head = ["insightText", "insightCount", "insightSource", "insightPeak", "insightDays"];
    const table = build("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": id },
      build("table", {},
        build("thead", {}, build("tr", {}, ...head.map((key) => build("th", { scope: "col" }, say(key))))),
        build("tbody", {}, ...rows)));
    return build("section", {},
      build("h3", { id }, say(title)),
      groups.length ? table : build("p", { class: "empty" }, say("insightNone")));
  }

  #listSources(sources) {
    const names = new Map([...RUNGS, ["error", "rungError"]]);
    return Object.keys(sources).map((source) => this.#words.say(names.get(source) ?? "rungError")).join(", ");
  }

  async #showBox() {
    try {
      const box = await this.#server.get("/console/box");
      this.#box.replaceChildren(...this.#listFacts(this.#describeBox(box), "boxUnknown"));
    } catch (error) {
      this.#box.replaceChildren(...this.#listFacts([["boxModel", error.message]], "boxUnknown"));
    }
  }

  #describeBox({ memory, disk, temperature_c: warm, model, knowledge, uptime_s: uptime, version }) {
    const { language } = this.#words;
    const bytes = (value) => tellBytes(value, language);
    const of = (key, values) => this.#words.say(key, values);
    const isBehind = knowledge.vectors_done < knowledge.vectors_total;
    return [
      ["boxModel", model.name || model.reason || null],
      ["boxKnowledge", knowledge.version
        ? of(isBehind ? "boxKnowledgeBehind" : "boxKnowledgeOf", { ...knowledge, version: knowledge.version.slice(0, 12) }) : null],
      ["boxMemory", memory.total
        ? of("boxMemoryOf", { available: bytes(memory.available), total: bytes(memory.total) }) : null],
      ["boxProcess", bytes(memory.process)],
      ["boxDisk", bytes(disk.free)],
      ["boxDatabase", bytes(disk.database)],
      ["boxWritten", bytes(disk.written_per_day)],
      ["boxTemperature", warm === null ? null : `${tellCount(warm, language)} °C`],
      ["boxUptime", of("boxHours", { count: tellCount(countHours(uptime), language) })],
      ["boxVersion", version],
    ];
  }

  #listFacts(facts, unknown) {
    return facts.map(([key, value]) => build("div", { class: "insight-fact" },
      build("dt", {}, this.#words.say(key)),
      build("dd", {}, value ?? this.#words.say(unknown))));
  }

  #tell(text, isBad = false) {
    this.#status.classList.toggle("bad", isBad);
    this.#status.textContent = text;
  }

  #closeCharts() {
    for (const chart of this.#charts) chart.close();
    this.#charts = [];
  }
}

/** The days on which it was asked most, with how often. */
function listDays(byDay) {
  return Object.entries(byDay)
    .sort(([, one], [, other]) => other - one)
    .slice(0, MOST_DAYS)
    .map(([day, count]) => `${day} (${count})`)
    .join(", ");
}
