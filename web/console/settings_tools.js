/**
 * The tools in the settings tab, for owners: switched on and off, and tried with values of one's own.
 *
 * It runs none; the server does. The rule that must not break: a switch goes the way of every draft,
 * and what a tool answered gets in as text.
 */
import { build } from "../elements.js";
import { attempt, chip, field, press } from "./parts.js";
import { Checking, tellRefusal } from "./settings_check.js";

const TOOLS = "/console/settings/tools";

export class ShopTools {
  #tools;
  #list = build("ul", { class: "receivers" });
  #faults = build("div", {});
  #checking;
  #trial = build("section", { "aria-live": "polite" });

  constructor(tools) {
    this.#tools = tools;
    this.#checking = new Checking(tools, (...told) => this.#takePublished(...told));
    this.element = build("div", {}, build("p", { class: "hint" }, this.#say("toolsHint")),
      this.#faults, this.#list, this.#checking.element, this.#trial);
    this.#refresh().catch((error) => this.#fail(error));
  }

  close() {
    this.#checking.close();
  }

  #say(key, values) {
    return this.#tools.words.say(key, values);
  }

  #wordsOf(wordings) {
    return wordings[this.#tools.words.language] ?? wordings.en;
  }

  async #refresh() {
    const { tools, faults, is_example: isExample } = await this.#tools.server.get(TOOLS);
    this.#faults.replaceChildren(faults.length
      ? build("div", { class: "told bad" }, build("h3", {}, this.#say("checkFaults")),
        build("ul", {}, ...faults.map((text) => build("li", {}, text))))
      : "");
    this.#list.replaceChildren(...tools.map((tool) => this.#showTool(tool, isExample)));
    if (!tools.length) this.#list.append(build("li", { class: "hint" }, this.#say("toolsNone")));
  }

  #showTool(tool, isExample) {
    const { name, kind, is_on: isOn, is_writing: isWriting, description } = tool;
    const key = isOn ? "toolTurnOff" : "toolTurnOn";
    const begin = () => this.#tools.server.post(`${TOOLS}/${name}/switch`, { on: !isOn });
    const flip = press(this.#say(key), () => this.#checking.begin(flip, begin), { "aria-label": `${this.#say(key)}: ${name}` });
    const test = press(this.#say("toolTry"), () => this.#showForm(tool), { "aria-label": `${this.#say("toolTry")}: ${name}` });
    return build("li", { class: "receiver" },
      build("strong", {}, name), chip(kind),
      chip(this.#say(isOn ? "toolOn" : "toolOff"), isOn ? "" : "bad"),
      isWriting ? chip(this.#say("toolWrites")) : "",
      build("span", { class: "hint", dir: "auto" }, this.#wordsOf(description)),
      build("span", { class: "row" }, test, isExample ? "" : flip));
  }

  async #takePublished({ number }, { note }) {
    await this.#refresh();
    this.#tools.tell(this.#say("toolSwitched", { note, number }));
  }

  #showForm({ name, is_writing: isWriting, parameters }) {
    const fields = parameters.filter((one) => !one.is_own).map((one) => [one.name, build("input", {
      id: `tool-${one.name}`, placeholder: one.example, autocomplete: "off", maxlength: "2000",
    }), this.#wordsOf(one.title)]);
    const title = build("h3", { tabindex: "-1" }, `${this.#say("toolTry")}: ${name}`);
    const result = build("div", { class: "tool-result" });
    const run = build("button", { class: "act", type: "submit" }, this.#say("toolRun"));
    const form = build("form", {},
      build("div", { class: "fields" }, ...fields.map(([, input, text]) => field(text, input))), run);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      attempt(run, async () => {
        const given = Object.fromEntries(fields.map(([key, input]) => [key, input.value]));
        result.replaceChildren(...this.#describe(await this.#tools.server.post(`${TOOLS}/${name}/test`, { arguments: given })));
      }, (error) => this.#fail(error));
    });
    this.#trial.replaceChildren(title,
      isWriting ? build("p", { class: "hint" }, this.#say("toolDry")) : "", form, result);
    title.focus();
  }

  #describe({ asked, took_ms: ms, is_dry: isDry, refused, outcome, rows, is_cut: isCut, reply }) {
    const told = refused
      ? build("p", { class: "told bad" }, this.#say("toolRefused", { reason: refused, ms }))
      : build("p", {}, this.#say(isDry ? "toolWould" : "toolCame", { outcome, count: rows.length, ms }));
    return [
      told,
      rows.length ? this.#buildTable(rows) : "",
      isCut ? build("p", { class: "hint" }, this.#say("toolCut")) : "",
      refused ? "" : build("p", {}, build("strong", {}, this.#say("toolReply")), " ", build("span", { dir: "auto" }, this.#wordsOf(reply))),
      build("h4", {}, this.#say(refused || !isDry ? "toolAsked" : "toolWouldAsk")),
      ...asked.map((text) => build("pre", { class: "scroll", tabindex: "0", dir: "ltr" }, text)),
    ];
  }

  #buildTable(rows) {
    const columns = Object.keys(rows[0]);
    return build("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": this.#say("toolRows") },
      build("table", {},
        build("thead", {}, build("tr", {}, ...columns.map((name) => build("th", { scope: "col" }, name)))),
        build("tbody", {}, ...rows.map((row) => build("tr", {},
          ...columns.map((name) => build("td", { dir: "auto" }, String(row[name] ?? ""))))))));
  }

  #fail(error) {
    this.#tools.tell(tellRefusal(this.#tools.words, error), true);
  }
}
