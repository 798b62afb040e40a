/**
 * The switch that lets operators see all answers before any customer does.
 *
 * It holds nothing back itself. The rule that must not break: it shows what the server has said, a
 * refusal too, and whoever only reads cannot press it.
 */
import { build, setText } from "../elements.js";
import { attempt, describeRefusal, press } from "./parts.js";

export class HoldAll {
  #server;
  #isOn = false;
  #said = build("p", { class: "said", role: "alert" });
  #button;

  constructor(server, words) {
    this.#server = server;
    this.#button = press(words.say("holdAll"), () => attempt(this.#button, async () => {
      const { is_held: isOn } = await server.post("/console/hold", { on: !this.#isOn });
      setText(this.#said, "");
      this.show(isOn);
    }, (error) => setText(this.#said, describeRefusal(words, error))),
    { kind: "act switch", "aria-pressed": "false" });
    this.element = build("div", { class: "hold-all", hidden: true }, this.#said, this.#button);
  }

  /** As the server has it, whoever pressed it. */
  show(isOn) {
    this.#isOn = isOn;
    this.element.hidden = !this.#server.mayChange;
    this.#button.setAttribute("aria-pressed", String(isOn));
  }
}
