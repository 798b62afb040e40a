/**
 * One screen in which a group of missed questions, or what a colleague answered, becomes an entry.
 *
 * It sends what stands in its fields and nothing else. The rule that must not break: after any
 * change of a field the entry has to be tried again before it can be published.
 */
import { build, setText } from "../elements.js";
import { askPatiently } from "./learning_patience.js";
import { showPreview } from "./learning_preview.js";
import { describeEntryRefusal } from "./learning_refusals.js";

const MOST_CHECKED = 20;
const LOOK_MS = 3000;

/** Fires `published`. */
export class Draft extends EventTarget {
  #server;
  #words;
  #tell;
  #mayChange;
  #isBusy = false;
  #tried = null;
  #question;
  #answer;
  #more;
  #phrasings = build("ul", { class: "learn-phrasings" });
  #offers = build("div", { class: "learn-offers" });
  #result = build("div", { class: "learn-result" });
  #try;
  #publish;
  #note = build("p", { class: "learn-note" });

  /** A viewer may look and not change. */
  constructor(server, words, mayChange, tell) {
    super();
    [this.#server, this.#words, this.#mayChange, this.#tell] = [server, words, mayChange, tell];
    this.#question = build("input", { id: "learn-question", maxlength: "300", required: true });
    this.#answer = build("textarea", { id: "learn-answer", rows: "5", maxlength: "4000", required: true });
    this.#more = build("textarea", { id: "learn-more", rows: "3" });
    this.#try = build("button", { class: "learn-button", type: "submit" }, words.say("learnTry"));
    this.#publish = build("button", { class: "learn-button learn-main", type: "button" }, words.say("learnPublish"));
    this.element = this.#buildForm();
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#preview();
    });
    this.element.addEventListener("input", () => this.#change());
    this.#publish.addEventListener("click", () => this.#send());
    this.#change();
  }

  /** Begins anew with the questions of `group`. */
  take(group) {
    this.#question.value = group.wordings[0].phrasing;
    this.#answer.value = group.said.length === 1 ? group.said[0] : "";
    this.#more.value = "";
    this.#phrasings.replaceChildren();
    this.add(group);
    this.#showOffers(group);
    this.#tell("");
    this.#question.focus();
  }

  /** Its questions besides those that stand here already. */
  add(group) {
    const known = new Set([this.#question.value, ...this.#listChecked(true)]);
    for (const { phrasing } of group.wordings) {
      if (!phrasing || known.has(phrasing)) continue;
      known.add(phrasing);
      const isChecked = this.#phrasings.children.length < MOST_CHECKED;
      const box = build("input", { type: "checkbox", value: phrasing, checked: isChecked });
      this.#phrasings.append(build("li", {}, build("label", {}, box, build("span", {}, phrasing))));
    }
    this.#change();
  }

  #buildForm() {
    const say = (key) => this.#words.say(key);
    return build("form", { class: "learn-draft", "aria-label": say("learnNew") },
      build("h3", {}, say("learnNew")),
      build("label", { for: "learn-question" }, say("learnQuestion")), this.#question,
      build("label", { for: "learn-answer" }, say("learnAnswer")), this.#answer,
      this.#offers,
      build("fieldset", {}, build("legend", {}, say("learnPhrasings")),
        build("p", { class: "learn-note" }, say("learnPhrasingsNote")), this.#phrasings,
        build("label", { for: "learn-more" }, say("learnMore")), this.#more),
      build("div", { class: "learn-acts" }, this.#try, this.#publish), this.#note, this.#result);
  }

  #showOffers({ said, near }) {
    const offers = [];
    if (said.length) {
      offers.push(build("h4", {}, this.#words.say("learnSaid")), ...said.map((text) => this.#offer("", text)));
    }
    if (near.length) {
      offers.push(build("h4", {}, this.#words.say("learnNear")),
        ...near.map(({ question, answer }) => this.#offer(question, answer)));
    }
    this.#offers.replaceChildren(...offers);
  }

  #offer(title, text) {
    const take = build("button", { class: "learn-button", type: "button" }, this.#words.say("learnTake"));
    take.addEventListener("click", () => {
      this.#answer.value = text;
      this.#change();
      this.#answer.focus();
    });
    return build("div", { class: "learn-offer" },
      build("p", {}, ...(title ? [build("strong", {}, title), " "] : []), text), take);
  }

  #listChecked(isAll = false) {
    return Array.from(this.#phrasings.querySelectorAll("input"))
      .filter((box) => isAll || box.checked).map((box) => box.value);
  }

  #read() {
    const more = this.#more.value.split("\n").map((line) => line.trim()).filter(Boolean);
    return {
      question: this.#question.value.trim(),
      answer: this.#answer.value.trim(),
      phrasings: [...this.#listChecked(), ...more],
    };
  }

  #change() {
    this.#tried = null;
    this.#result.replaceChildren();
    this.#showButtons();
  }

  #showButtons() {
    this.#try.disabled = this.#isBusy || !this.#mayChange;
    this.#publish.disabled = this.#isBusy || !this.#mayChange || this.#tried === null;
    const key = this.#mayChange ? "learnTryFirst" : "learnViewer";
    setText(this.#note, this.#mayChange && this.#tried ? "" : this.#words.say(key));
  }

  async #preview() {
    if (this.#isBusy || !this.#mayChange) return;
    const wish = this.#read();
    this.#begin("learnTrying");
    try {
      const preview = await askPatiently(() => this.#server.post("/console/entries/preview", wish));
      // What was changed meanwhile is not what was tried.
      const isSame = JSON.stringify(wish) === JSON.stringify(this.#read());
      this.#tried = isSame && !preview.faults.length ? wish : null;
      if (isSame) this.#result.replaceChildren(...showPreview(preview, this.#words));
      this.#tell("");
      if (isSame && preview.is_running) this.#follow(wish, preview.entry);
    } catch (error) {
      this.#tell(describeEntryRefusal(this.#words, error));
    } finally {
      this.#end();
    }
  }

  /** Until all wordings were looked at, or another entry stands in the fields. */
  #follow(wish, entry) {
    setTimeout(async () => {
      const isOver = () => !this.element.isConnected || this.#tried !== wish || this.#isBusy;
      if (isOver()) return;
      try {
        const trial = await this.#server.get("/console/entries/preview");
        if (isOver()) return;
        this.#tell(trial.is_running ? this.#words.say("learnSweeping", trial) : "");
        if (trial.is_running) this.#follow(wish, entry);
        // A colleague may have tried another entry meanwhile.
        else if (JSON.stringify(trial.preview.entry) === JSON.stringify(entry)) this.#result.replaceChildren(...showPreview(trial.preview, this.#words));
      } catch (error) {
        this.#tell(error.message);
      }
    }, LOOK_MS);
  }

  async #send() {
    if (this.#tried === null) return;
    this.#begin("learnPublishing");
    try {
      const done = await this.#server.post("/console/entries/publish", this.#tried);
      this.element.reset();
      this.#phrasings.replaceChildren();
      this.#offers.replaceChildren();
      this.#change();
      this.#tell(this.#words.say(done.is_live ? "learnPublished" : "learnNotLive"));
      this.dispatchEvent(new Event("published"));
    } catch (error) {
      this.#tell(describeEntryRefusal(this.#words, error));
    } finally {
      this.#end();
    }
  }

  #begin(key) {
    this.#isBusy = true;
    this.#tell(this.#words.say(key));
    this.#showButtons();
  }

  #end() {
    this.#isBusy = false;
    this.#showButtons();
  }
}
