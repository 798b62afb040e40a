/**
 * What an operator may do with a conversation: take it over, give it back, close it, hold answers.
 *
 * It shows the acts that make sense for the state and calls the server; the state comes back as an
 * event. The rule that must not break: while an answer runs the operator says whether it is
 * stopped or finished, and nobody is overrun by a single press.
 */
import { build } from "../elements.js";
import { attempt, press } from "./parts.js";

/** Fires `row` with the conversation as an act left it, `taken` when it is this operator's. */
export class Acts extends EventTarget {
  #server;
  #words;
  #call;
  #fail;
  #shown = "";

  /** `call` posts to a path of the conversation, `fail` tells a refusal. */
  constructor(server, words, call, fail) {
    super();
    [this.#server, this.#words, this.#call, this.#fail] = [server, words, call, fail];
    this.element = build("div", { class: "acts-of", role: "group", "aria-label": words.say("acts") });
  }

  show(row) {
    const { state, is_running: isRunning, is_held: isHeld, assigned_to: assignedTo } = row;
    const told = JSON.stringify([state, isRunning, isHeld, assignedTo]);
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

  #listOthers({ state, is_running: isRunning }) {
    if (state === "human") return [];
    const acts = isRunning
      ? [this.#buildTake("takeStop", "stop", "act main-act"), this.#buildTake("takeFinish", "finish")]
      : [this.#buildTake("take", "stop", "act main-act")];
    if (state === "waiting") acts.push(this.#build("waitToBot", "/release", { to: "bot" }));
    return acts;
  }

  #buildTake(key, running, kind = "act") {
    return this.#build(key, "/take", { running }, kind, () => this.dispatchEvent(new Event("taken")));
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

  async #do(path, body) {
    const { conversation } = await this.#call(path, body);
    if (conversation) this.dispatchEvent(new CustomEvent("row", { detail: conversation }));
  }
}
