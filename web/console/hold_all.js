/**
 * The switch that lets operators see all answers before any customer does.
 *
 * It holds nothing back itself. The rule that must not break: it shows what the server has said, and
 * whoever only reads cannot press it.
 */
import { attempt, press } from "./parts.js";

export class HoldAll {
  #server;
  #isOn = false;

  constructor(server, words, fail) {
    this.#server = server;
    this.element = press(words.say("holdAll"), () => attempt(this.element, async () => {
      const { is_held: isOn } = await server.post("/console/hold", { on: !this.#isOn });
      this.#show(isOn);
    }, fail), { kind: "act switch", "aria-pressed": "false", hidden: true });
  }

  async read() {
    const answer = await this.#server.get("/console/operators").catch(() => null);
    if (answer) this.#show(answer.is_held);
  }

  #show(isOn) {
    this.#isOn = isOn;
    this.element.hidden = !this.#server.mayChange;
    this.element.setAttribute("aria-pressed", String(isOn));
  }
}
