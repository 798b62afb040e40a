/**
 * The shop's files in the settings tab: one is opened, changed, checked, published, taken back.
 *
 * It judges no text; the server does. The rule that must not break: what answers worse is seen
 * before it is published, and publishing it takes a press of its own.
 */
import { build } from "../elements.js";
import { attempt, chip, describeRefusal, describeTime, field, press } from "./parts.js";

const LOOK_MS = 1000;
const RUNNING = "running";
const LONG_TEXT_ROWS = 18;

export class ShopFiles {
  #tools;
  #list = build("ul", { class: "file-list" });
  #editor = build("div", { class: "file-editor" });
  #opened = null;
  #area = null;
  #result = null;
  #timer = 0;
  #isClosed = false;

  constructor(tools) {
    this.#tools = tools;
    this.element = build("div", { class: "files" }, this.#list, this.#editor);
    this.#showList().catch((error) => this.#fail(error));
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  get #mayChange() {
    return this.#tools.server.role !== "viewer";
  }

  #say(key, values) {
    return this.#tools.words.say(key, values);
  }

  async #showList() {
    const { files, is_example: isExample } = await this.#tools.server.get("/console/settings/files");
    if (isExample) this.#tools.tell(this.#say("filesExample"));
    this.#list.replaceChildren(...files.map((file) => build("li", {},
      press(file.name, () => this.#open(file.name), { kind: "file" }),
      chip(this.#say(`kind_${file.kind}`)),
      file.is_there ? "" : chip(this.#say("fileMissing")))));
  }

  async #open(name, number = 0) {
    clearTimeout(this.#timer);
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
    const { name, text, kind, versions } = this.#opened;
    this.#area = build("textarea", {
      id: "file-text", rows: LONG_TEXT_ROWS, spellcheck: "false", readonly: !this.#mayChange,
    });
    this.#area.value = text;
    this.#result = build("div", { class: "check-result" });
    const check = press(this.#say("fileCheck"), () => this.#check(check));
    this.#editor.replaceChildren(
      build("h3", {}, name),
      build("p", { class: "hint" }, this.#say(`hint_${kind}`)),
      number ? build("p", { class: "hint" }, this.#say("fileOld", { number })) : "",
      field(this.#say("fileText"), this.#area),
      this.#mayChange ? build("div", { class: "row" }, check) : "",
      this.#result,
      this.#buildVersions(name, versions));
  }

  #buildVersions(name, versions) {
    if (!versions.length) return build("p", { class: "hint" }, this.#say("versionsNone"));
    const rows = versions.map((version, place) => build("tr", {},
      build("th", { scope: "row" }, String(version.number)),
      build("td", {}, describeTime(version.at_ms, this.#tools.words)),
      build("td", { dir: "auto" }, version.account || this.#say("versionFound")),
      build("td", {}, version.note === "found" ? "" : version.note),
      build("td", { class: "row" },
        press(this.#say("versionShow"), () => this.#open(name, version.number)),
        place && this.#mayChange ? this.#buildBack(name, version.number) : "")));
    return build("section", {},
      build("h4", { id: "versions-title" }, this.#say("versions")),
      build("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "versions-title" },
        build("table", {},
          build("thead", {}, build("tr", {}, ...["versionNumber", "versionWhen", "versionWho", "versionNote", "versionActs"]
            .map((key) => build("th", { scope: "col" }, this.#say(key))))),
          build("tbody", {}, ...rows))));
  }

  #buildBack(name, number) {
    const button = press(this.#say("versionBack"), () => attempt(button, async () => {
      const told = await this.#tools.server.post("/console/settings/rollback", { name, number });
      await this.#open(name);
      this.#tools.tell(this.#say("filePublished", { name, number: told.number }));
    }, (error) => this.#fail(error)));
    return button;
  }

  #check(button) {
    const { name, base } = this.#opened;
    return attempt(button, async () => {
      this.#tools.tell(this.#say("checkBegun"));
      const body = { name, text: this.#area.value, base };
      this.#showCheck(await this.#tools.server.post("/console/settings/check", body));
    }, (error) => this.#fail(error));
  }

  #showCheck(check) {
    if (this.#isClosed) return;
    this.#result.replaceChildren(...this.#describeCheck(check));
    if (check.state !== RUNNING) return this.#tools.tell(this.#say(`check_${check.state}`), check.state !== "done");
    this.#timer = setTimeout(async () => {
      try {
        this.#showCheck(await this.#tools.server.get("/console/settings/check"));
      } catch (error) {
        this.#fail(error);
      }
    }, LOOK_MS);
  }

  #describeCheck(check) {
    const shown = [
      this.#listTexts("checkFaults", check.faults, "bad"),
      this.#listTexts("checkWarnings", check.warnings),
      this.#listTexts("checkAdded", check.added),
      this.#listTexts("checkRemoved", check.removed),
    ];
    if (check.state === RUNNING) shown.push(build("p", { class: "hint" }, this.#say("checkRunning")));
    if (check.state === "done") shown.push(...this.#describeAnswers(check));
    return shown;
  }

  #describeAnswers(check) {
    const { cases, right_before: before, right_after: after, broken, mended } = check;
    const tell = (one) => `${one.question}: ${one.before} → ${one.after}`;
    const key = broken.length ? "filePublishWorse" : "filePublish";
    const button = press(this.#say(key), () => this.#publish(button, check), {
      kind: broken.length ? "act danger" : "act",
    });
    return [
      build("p", {}, this.#say("checkCounts", { cases, before, after })),
      this.#listTexts("checkBroken", broken.map(tell), "bad"),
      this.#listTexts("checkMended", mended.map(tell)),
      build("div", { class: "row" }, button),
    ];
  }

  #publish(button, check) {
    return attempt(button, async () => {
      const body = { name: check.name, hash: check.hash, accept: check.broken.length > 0 };
      const { number } = await this.#tools.server.post("/console/settings/publish", body);
      await this.#open(check.name);
      this.#tools.tell(this.#say("filePublished", { name: check.name, number }));
      await this.#showList();
    }, (error) => this.#fail(error));
  }

  #listTexts(key, texts, kind = "") {
    if (!texts.length) return "";
    return build("div", { class: `told ${kind}`.trim() },
      build("h4", {}, this.#say(key)),
      build("ul", {}, ...texts.map((text) => build("li", { dir: "auto" }, text))));
  }

  #fail(error) {
    this.#tools.tell(error.code === "publish_refused" ? error.message : describeRefusal(this.#tools.words, error), true);
  }
}

function encodePath(name) {
  return name.split("/").map(encodeURIComponent).join("/");
}
