/**
 * The shop's files and the appliance's settings in the settings tab: one is opened, changed, checked,
 * published, taken back.
 *
 * It judges no text; the server does. The rule that must not break: nothing is published but by way of
 * the check, an older version neither.
 */
import { build } from "../elements.js";
import { chip, describeTime, field, press } from "./parts.js";
import { Checking, tellRefusal } from "./settings_check.js";

const LONG_TEXT_ROWS = 18;
const SETTING = "setting";
// The one setting that is a text of many lines.
const PERSONA = "system_prompt";

export class ShopFiles {
  #tools;
  #isOfSettings;
  #list = build("ul", { class: "file-list" });
  #editor = build("div", { class: "file-editor" });
  #opened = null;
  #area = null;
  #checking = null;

  /** With `isOfSettings` those are shown, else the files. */
  constructor(tools, isOfSettings = false) {
    [this.#tools, this.#isOfSettings] = [tools, isOfSettings];
    this.element = build("div", { class: "files" }, this.#list, this.#editor);
    this.#showList().catch((error) => this.#fail(error));
  }

  close() {
    this.#checking?.close();
  }

  get #mayChange() {
    return this.#tools.server.role !== "viewer";
  }

  #say(key, values) {
    return this.#tools.words.say(key, values);
  }

  async #showList() {
    const { files, is_example: isExample } = await this.#tools.server.get("/console/settings/files");
    const shown = files.filter(({ kind }) => (kind === SETTING) === this.#isOfSettings);
    if (this.#isOfSettings && !shown.length) this.#tools.tell(this.#say("valuesNone"));
    if (isExample && !this.#isOfSettings) this.#tools.tell(this.#say("filesExample"));
    this.#list.replaceChildren(...shown.map((file) => build("li", {},
      press(this.#nameOf(file), () => this.#open(file.name), { kind: "file" }),
      this.#isOfSettings ? "" : chip(this.#say(`kind_${file.kind}`)),
      file.is_there ? "" : chip(this.#say("fileMissing")))));
  }

  #nameOf({ name, kind }) {
    return kind === SETTING ? this.#say(`setting_${name}`) : name;
  }

  async #open(name, number = 0) {
    this.#tools.tell("");
    try {
      const query = number ? `?number=${number}` : "";
      this.#opened = await this.#tools.server.get(`/console/settings/files/${encodePath(name)}${query}`);
    } catch (error) {
      return this.#fail(error);
    }
    this.#showEditor(number);
  }

  #showEditor(number) {
    const { name, text, kind, versions, setting } = this.#opened;
    const mayChange = this.#mayChange && !setting?.fixed_by;
    const attributes = { id: "file-text", spellcheck: "false", readonly: !mayChange };
    this.#area = kind === SETTING && name !== PERSONA
      ? build("input", { ...attributes, autocomplete: "off" })
      : build("textarea", { ...attributes, rows: LONG_TEXT_ROWS });
    this.#area.value = text;
    const title = build("h3", { tabindex: "-1" }, this.#nameOf(this.#opened));
    this.#checking?.close();
    this.#checking = new Checking(this.#tools, (...told) => this.#takePublished(...told));
    const check = press(this.#say("fileCheck"), () => this.#check(check));
    this.#editor.replaceChildren(
      title,
      build("p", { class: "hint" }, this.#say(kind === SETTING ? `about_${name}` : `hint_${kind}`)),
      ...(setting ? this.#describeSetting(setting) : []),
      number ? build("p", { class: "hint" }, this.#say("fileOld", { number })) : "",
      field(this.#say("fileText"), this.#area),
      mayChange ? build("div", { class: "row" }, check) : "",
      this.#checking.element,
      this.#buildVersions(name, versions, mayChange));
    title.focus();
  }

  #describeSetting({ allowed, fixed_by: fixedBy, is_live: isLive, is_taken: isTaken }) {
    const told = [this.#say("valueAllowed", { allowed }), this.#say(isLive ? "valueLive" : "valueLater")];
    if (!isTaken) told.push(this.#say("valueWaits"));
    const shown = [build("p", { class: "hint" }, told.join(" "))];
    if (fixedBy) shown.push(build("p", { class: "told bad" }, this.#say("valueFixed", { by: fixedBy })));
    return shown;
  }

  #buildVersions(name, versions, mayChange) {
    if (!versions.length) return build("p", { class: "hint" }, this.#say("versionsNone"));
    const rows = versions.map((version, place) => build("tr", {},
      build("th", { scope: "row" }, String(version.number)),
      build("td", {}, describeTime(version.at_ms, this.#tools.words)),
      build("td", { dir: "auto" }, version.account || this.#say("versionFound")),
      build("td", {}, version.note === "found" ? "" : version.note),
      build("td", { class: "row" },
        press(this.#say("versionShow"), () => this.#open(name, version.number)),
        place && mayChange ? this.#buildBack(name, version.number) : "")));
    return build("section", {},
      build("h4", { id: "versions-title" }, this.#say("versions")),
      build("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "versions-title" },
        build("table", {},
          build("thead", {}, build("tr", {}, ...["versionNumber", "versionWhen", "versionWho", "versionNote", "versionActs"]
            .map((key) => build("th", { scope: "col" }, this.#say(key))))),
          build("tbody", {}, ...rows))));
  }

  #buildBack(name, number) {
    const begin = () => this.#tools.server.post("/console/settings/rollback", { name, number });
    const button = press(this.#say("versionBack"), () => this.#checking.begin(button, begin), {
      "aria-label": `${this.#say("versionBack")}: ${number}`,
    });
    return button;
  }

  #check(button) {
    const { name, base } = this.#opened;
    const body = { name, text: this.#area.value, base };
    return this.#checking.begin(button, () => this.#tools.server.post("/console/settings/check", body));
  }

  async #takePublished({ number, needs_restart: isLater }, { name }) {
    await this.#open(name);
    const called = this.#nameOf(this.#opened);
    this.#tools.tell(this.#say(isLater ? "valuePublished" : "filePublished", { name: called, number }));
    await this.#showList();
  }

  #fail(error) {
    this.#tools.tell(tellRefusal(this.#tools.words, error), true);
  }
}

function encodePath(name) {
  return name.split("/").map(encodeURIComponent).join("/");
}
