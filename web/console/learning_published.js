/**
 * What was published in the console, each with what it was expected to bring and a way back.
 *
 * It knows no draft. The rule that must not break: an entry is taken out by a second press only.
 */
import { build } from "../elements.js";
import { describeEntryRefusal } from "./learning_refusals.js";

/** Fires `undone`. */
export class PublishedList extends EventTarget {
  #server;
  #words;
  #tell;
  #mayChange;
  #entries = null;
  #asked = null;
  #list = build("ul", { class: "learn-published" });

  constructor(server, words, mayChange, tell) {
    super();
    [this.#server, this.#words, this.#mayChange, this.#tell] = [server, words, mayChange, tell];
    this.element = build("section", {},
      build("h3", {}, words.say("learnPublishedTitle")), this.#list);
  }

  show(entries) {
    this.#entries = entries;
    const { published, file } = entries;
    const none = published.length ? [] : [build("li", {}, this.#words.say("learnPublishedNone"))];
    this.#list.replaceChildren(...none, ...published.map((one) => this.#showOne(one, file)));
  }

  #showOne(one, file) {
    const { number, account, entry, asked, answered_before: before, answered_after: after } = one;
    const parts = [
      build("p", { class: "learn-group-title" }, entry ? entry.question : `${number}`),
      ...(entry ? [build("p", { class: "learn-answer" }, entry.answer)] : []),
      build("p", { class: "learn-note" }, [
        this.#words.say("learnPublishedBy", { account, date: this.#date(one.at_ms) }),
        this.#words.say("learnEffect", { asked, before, after }),
      ].join(" · ")),
    ];
    const state = this.#describeState(one, file);
    if (state) parts.push(build("p", { class: "learn-note" }, state));
    else if (this.#mayChange) parts.push(this.#buildActs(number, entry.question));
    return build("li", {}, ...parts);
  }

  #describeState({ entry, is_touched: isTouched, undone_ms: undoneMs, undone_by: account }, file) {
    if (undoneMs !== null) return this.#words.say("learnUndone", { account, date: this.#date(undoneMs) });
    if (entry === null) return this.#words.say("learnGone", { file });
    return isTouched ? this.#words.say("learnTouched", { file }) : "";
  }

  #buildActs(number, question) {
    const acts = this.#asked === number ? ["learnUndoSure", "learnKeep"] : ["learnUndo"];
    const buttons = acts.map((key) => {
      const name = this.#words.say(key);
      const press = build("button", {
        class: "learn-button", type: "button", "data-act": key, "aria-label": `${name}: ${question}`,
      }, name);
      press.addEventListener("click", () => this.#press(key, number));
      return press;
    });
    return build("div", { class: "learn-acts", "data-number": `${number}` }, ...buttons);
  }

  async #press(key, number) {
    this.#asked = key === "learnUndo" ? number : null;
    this.show(this.#entries);
    if (key === "learnUndoSure") await this.#undo(number);
    else this.#list.querySelector(`[data-number="${number}"] button`)?.focus();
  }

  async #undo(number) {
    try {
      await this.#server.post("/console/entries/undo", { number });
      this.#tell(this.#words.say("learnIsUndone"));
    } catch (error) {
      this.#tell(describeEntryRefusal(this.#words, error));
    }
    this.dispatchEvent(new Event("undone"));
  }

  #date(ms) {
    return new Date(ms).toLocaleString(this.#words.language === "zh" ? "zh-CN" : "en-GB", {
      dateStyle: "medium", timeStyle: "short",
    });
  }
}
