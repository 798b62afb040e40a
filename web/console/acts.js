/**
 * What an operator may do with a conversation: take it over, give it back, close it, hold answers.
 *
 * It shows the acts that make sense for the state and calls the server; the state comes back as an
 * event. The rule that must not break: while an answer runs the operator says whether it is
 * stopped or finished, and nobody is overrun by a single press.
 */
import { build } from "../elements.js";
import { attempt, press } from "./parts.js";

/** What the longest `queue_wait_s` and `answer_deadline_s` come to, and a minute more. */
const LONGEST_END_MS = 1_260_000;

/** Fires `row` with the conversation as an act left it, `taken` when it is this operator's. */
export class Acts extends EventTarget {
  #server;
  #words;
  #call;
  #fail;
  #shown = "";
  #row = null;
  #waiting = null;

  /** `call` posts to a path of the conversation, `fail` tells a refusal. */
  constructor(server, words, call, fail) {
    super();
    [this.#server, this.#words, this.#call, this.#fail] = [server, words, call, fail];
    this.element = build("div", { class: "acts-of", role: "group", "aria-label": words.say("acts") });
  }

  show(row) {
    const { state, is_running: isRunning, is_held: isHeld, assigned_to: assignedTo } = row;
    this.#row = row;
    const told = JSON.stringify([state, isRunning, isHeld, assignedTo, this.#waiting !== null]);
    if (told === this.#shown) return;
    this.#shown = told;
    const focused = this.element.querySelector(":focus")?.dataset.act;
    this.element.replaceChildren(...this.#list(row));
    // A press that changed the state must not lose the keyboard's place.
    if (focused) {
      const same = this.element.querySelector(`[data-act="${focused}"]`);
      (same ?? this.element.querySelector("button"))?.focus();
    }
  }

  #list(row) {
    if (!this.#server.mayChange) return [build("p", { class: "soft" }, this.#words.say("onlyReading"))];
    const isMine = row.state === "human" && row.assigned_to === this.#server.account;
    if (this.#waiting) return [...this.#listWaiting(), this.#buildHold(row)];
    const acts = isMine ? this.#listMine() : this.#listOthers(row);
    return [...acts, this.#buildHold(row)];
  }

  #listMine() {
    return [
      this.#build("toBot", "/release", { to: "bot" }, "act main-act"),
      this.#build("toWaiting", "/release", { to: "waiting" }),
      this.#build("toClosed", "/release", { to: "closed" }),
    ];
  }

  #listWaiting() {
    return [
      build("p", { class: "soft", role: "status" }, this.#words.say("takeWaits")),
      press(this.#words.say("takeNot"), () => this.#waiting?.abort(), { kind: "act main-act", "data-act": "takeNot" }),
    ];
  }

  #listOthers({ state, is_running: isRunning }) {
    if (state === "human") return [];
    const acts = isRunning
      ? [this.#buildTake("takeStop", "stop", "act main-act"), this.#buildFinish()]
      : [this.#buildTake("take", "stop", "act main-act")];
    if (state === "waiting") acts.push(this.#build("waitToBot", "/release", { to: "bot" }));
    return acts;
  }

  #buildTake(key, running, kind) {
    return this.#build(key, "/take", { running }, kind, () => this.dispatchEvent(new Event("taken")));
  }

  #buildFinish() {
    return press(this.#words.say("takeFinish"), () => this.#takeAtEnd(), { kind: "act", "data-act": "takeFinish" });
  }

  /** The server answers once the answer has ended; a call that was broken off takes nothing over. */
  async #takeAtEnd() {
    const calling = new AbortController();
    const { signal } = calling;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      calling.abort();
    }, LONGEST_END_MS);
    // Nobody is given a conversation after he has left.
    this.#server.addEventListener("out", () => calling.abort(), { signal });
    this.#wait(calling);
    try {
      await this.#do("/take", { running: "finish" }, signal);
      this.#wait(null);
      this.dispatchEvent(new Event("taken"));
    } catch (error) {
      if (!error.code) throw error;
      this.#wait(null);
      if (isLate || !signal.aborted) this.#fail(error);
    } finally {
      clearTimeout(timer);
      calling.abort();
    }
  }

  #wait(calling) {
    this.#waiting = calling;
    this.show(this.#row);
  }

  #buildHold({ is_held: isHeld }) {
    const button = press(this.#words.say("hold"), () =>
      attempt(button, () => this.#do("/hold", { on: !isHeld }), this.#fail),
    { kind: "act switch", "aria-pressed": String(Boolean(isHeld)), title: this.#words.say("holdText"), "data-act": "hold" });
    return button;
  }

  #build(key, path, body, kind = "act", after = () => {}) {
    const button = press(this.#words.say(key), async () => {
      if (await attempt(button, () => this.#do(path, body), this.#fail)) after();
    }, { kind, "data-act": key });
    return button;
  }

  async #do(path, body, signal) {
    const { conversation } = await this.#call(path, body, signal);
    if (conversation) this.dispatchEvent(new CustomEvent("row", { detail: conversation }));
  }
}
