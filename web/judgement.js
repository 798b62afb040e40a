/**
 * The thumbs below an answer, and the reasons that a thumb down is asked for.
 *
 * It calls nobody; `press` says what is to be sent. The rule that must not break: what stands
 * pressed is what the state says, so a judgement that did not get through is not shown as taken.
 */
import { setText } from "./elements.js";

export class Judgement {
  #find;
  #element;
  #runId = null;
  #feedback = null;
  #isPressed = false;

  /** `find` gives the part of the answer's article, `element`, that a selector names. */
  constructor(find, element) {
    this.#find = find;
    this.#element = element;
  }

  show({ runId, feedback, turn, text }, words) {
    [this.#runId, this.#feedback] = [runId, feedback];
    for (const thumb of this.#element.querySelectorAll(".thumb")) {
      thumb.hidden = runId === null || runId === "";
      press(thumb, thumb.dataset.verdict === feedback?.verdict);
    }
    for (const choice of this.#element.querySelectorAll(".reason-choice")) {
      press(choice, feedback?.verdict === "down" && choice.dataset.reason === feedback.reason);
    }
    const isDown = turn === null && text !== "" && feedback?.verdict === "down";
    const reasons = this.#find(".reasons");
    reasons.hidden = !isDown;
    // What a press has opened below the last line is not left out of sight.
    if (isDown && this.#isPressed) reasons.scrollIntoView({ block: "nearest" });
    this.#isPressed = false;
    setText(this.#find(".thanks"), isDown && feedback.reason ? words.say("thanks") : "");
  }

  /** What a press on `button` says, as {runId, verdict, reason}: the same again takes it back. */
  press(button) {
    const { verdict, reason } = button.dataset;
    if (!verdict && !reason) return null;
    this.#isPressed = true;
    const isSame = this.#feedback?.verdict === verdict;
    if (verdict) return { runId: this.#runId, verdict: isSame ? null : verdict, reason: "" };
    const isSameReason = this.#feedback?.reason === reason;
    return { runId: this.#runId, verdict: "down", reason: isSameReason ? "" : reason };
  }
}

function press(button, isPressed) {
  button.setAttribute("aria-pressed", String(isPressed));
}
