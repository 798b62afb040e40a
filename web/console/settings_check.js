/**
 * A draft under check in the settings tab: what is wrong with it, what it changes, and its publishing.
 *
 * It judges nothing; the server does. The rules that must not break: what answers worse or loses
 * something is seen before it is published and takes a press of its own, and what a press alone
 * publishes is the very draft that it began.
 */
import { build } from "../elements.js";
import { showChanges } from "./learning_preview.js";
import { LEARNING } from "./learning_words.js";
import { attempt, describeRefusal, press } from "./parts.js";

const LOOK_MS = 1000;
const RUNNING = "running";
const DONE = "done";
const CHECK = "/console/settings/check";

export class Checking {
  #tools;
  #onPublished;
  #begun = null;
  #timer = 0;
  #isClosed = false;
  element = build("div", { class: "check-result" });

  /** `onPublished` gets what the server said of it and the check. */
  constructor(tools, onPublished) {
    [this.#tools, this.#onPublished] = [tools, onPublished];
  }

  close() {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  /** `button` rests while the server is told by `begin`, which gives the check. */
  begin(button, begin) {
    return attempt(button, async () => {
      clearTimeout(this.#timer);
      this.#tools.tell(this.#say("checkBegun"));
      this.#begun = await begin();
      this.#show(this.#begun);
    }, (error) => this.#fail(error));
  }

  #show(check) {
    if (this.#isClosed) return;
    if (check.name !== this.#begun.name || check.hash !== this.#begun.hash) {
      this.element.replaceChildren();
      return this.#tools.tell(this.#say("checkLost"), true);
    }
    this.element.replaceChildren(...this.#describe(check));
    if (check.state === DONE && check.note && !isWorse(check)) return this.#publish(this.element, check);
    if (check.state !== RUNNING) return this.#tools.tell(this.#say(`check_${check.state}`), check.state !== DONE);
    this.#timer = setTimeout(async () => {
      try {
        this.#show(await this.#tools.server.get(CHECK));
      } catch (error) {
        this.#fail(error);
      }
    }, LOOK_MS);
  }

  #describe(check) {
    const shown = [
      this.#listTexts("checkFaults", check.faults, "bad"),
      this.#listTexts("checkWarnings", check.warnings),
      this.#listTexts("checkAdded", check.added),
      this.#listTexts("checkRemoved", check.removed),
    ];
    if (check.state === RUNNING) shown.push(build("p", { class: "hint" }, this.#say("checkRunning")));
    if (check.state === DONE) shown.push(...this.#describeAnswers(check));
    return shown;
  }

  #describeAnswers(check) {
    const { cases, right_before: before, right_after: after, broken, mended, loss } = check;
    const tell = (one) => `${one.question}: ${one.before} → ${one.after}`;
    const key = broken.length ? "filePublishWorse" : "filePublish";
    const button = press(this.#say(loss ? "filePublishLoss" : key), () => this.#publish(button, check), {
      kind: isWorse(check) ? "act danger" : "act",
    });
    return [
      loss ? build("p", { class: "told bad" }, this.#say("checkLoss", loss)) : "",
      cases ? build("p", {}, this.#say("checkCounts", { cases, before, after })) : "",
      this.#listTexts("checkBroken", broken.map(tell), "bad"),
      this.#listTexts("checkMended", mended.map(tell)),
      ...this.#describeReplay(check.replay),
      build("div", { class: "row" }, button),
    ];
  }

  #describeReplay({ wordings, replayed, changed, changes }) {
    if (!wordings) return [];
    const told = build("p", {}, this.#say("checkReplayed", { wordings, replayed, changed }));
    if (!changed) return [told];
    const more = changed - changes.length;
    return [told, showChanges(changes, this.#tools.words.with(LEARNING), "scroll"),
      more ? build("p", { class: "hint" }, this.#say("checkMore", { more })) : ""];
  }

  #publish(button, check) {
    return attempt(button, async () => {
      const body = { name: check.name, hash: check.hash, accept: isWorse(check) };
      const published = await this.#tools.server.post("/console/settings/publish", body);
      this.element.replaceChildren();
      await this.#onPublished(published, check);
    }, (error) => this.#fail(error));
  }

  #listTexts(key, texts, kind = "") {
    if (!texts.length) return "";
    return build("div", { class: `told ${kind}`.trim() },
      build("h4", {}, this.#say(key)),
      build("ul", {}, ...texts.map((text) => build("li", { dir: "auto" }, text))));
  }

  #say(key, values) {
    return this.#tools.words.say(key, values);
  }

  #fail(error) {
    this.#tools.tell(tellRefusal(this.#tools.words, error), true);
  }
}

/** The server's own sentence where it says what is to be done. */
export function tellRefusal(words, error) {
  return ["publish_refused", "invalid_field"].includes(error.code) ? error.message : describeRefusal(words, error);
}

/** Publishing it takes a press of its own. */
function isWorse({ broken, loss }) {
  return broken.length > 0 || loss !== null;
}
