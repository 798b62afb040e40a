/**
 * The field for the question: its height, its limit, its Enter key, its send and stop buttons.
 *
 * It sends nothing itself; it fires `send` with the text, and `stop`. The rules that must not
 * break: Enter that ends a Chinese input method's word never sends, and no typed text is cut.
 */
import { setText } from "./elements.js";

const MAX_CHARS = 2000;
const COUNT_FROM_CHARS = 1800;
const INPUT_METHOD_KEY = 229;

export class Composer extends EventTarget {
  #field;
  #send;
  #stop;
  #count;
  #careful;
  #isBusy = false;
  #words;
  #widthPx = 0;

  /** `root` holds the frame's parts. */
  constructor(root, words, draft) {
    super();
    const find = (id) => root.querySelector(`#${id}`);
    [this.#field, this.#send, this.#stop] = [find("question"), find("send"), find("stop")];
    [this.#count, this.#careful] = [find("count"), find("careful")];
    this.#words = words;
    this.#field.value = draft;
    this.#field.addEventListener("input", () => this.#take());
    this.#field.addEventListener("keydown", (event) => this.#press(event));
    this.#stop.addEventListener("click", (event) => this.#pressStop(event));
    find("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    new ResizeObserver(([{ contentRect }]) => this.#fit(contentRect.width)).observe(this.#field);
    this.#judge();
  }

  get text() {
    return this.#field.value;
  }

  focus() {
    this.#field.focus();
  }

  /** Words of another language for what is shown already. */
  speak(words) {
    this.#words = words;
    this.#judge();
  }

  /**
   * The stop button stands where the send button stood, and takes its focus along.
   * While the page is opening its conversation nothing can be sent, and nothing typed is lost.
   * It is called with every token, so it measures nothing.
   */
  showTurn(turn, isOpening) {
    const isAnswering = turn !== null;
    const hadFocus = [this.#send, this.#stop].includes(document.activeElement);
    this.#stop.hidden = !isAnswering;
    this.#stop.disabled = Boolean(turn?.isStopping);
    this.#send.hidden = isAnswering;
    this.#isBusy = isAnswering || isOpening;
    if (hadFocus) (isAnswering ? this.#stop : this.#field).focus();
    this.#judge();
  }

  /** Without a pointer the focus must not vanish with the button; a finger wants no keyboard. */
  #pressStop({ detail: clicks }) {
    if (clicks === 0) this.#field.focus();
    this.dispatchEvent(new Event("stop"));
  }

  #press(event) {
    if (event.key !== "Enter" || event.shiftKey) return;
    if (event.isComposing || event.keyCode === INPUT_METHOD_KEY) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.#field.value.trim();
    if (!text || this.#isBusy || countChars(text) > MAX_CHARS) return;
    this.#field.value = "";
    this.#take();
    this.dispatchEvent(new CustomEvent("send", { detail: text }));
  }

  /** The text is another. */
  #take() {
    this.#grow();
    this.#judge();
    this.dispatchEvent(new Event("input"));
  }

  /** In the next frame: a height that is set while sizes are told would be told again at once. */
  #fit(widthPx) {
    if (widthPx === this.#widthPx) return;
    this.#widthPx = widthPx;
    requestAnimationFrame(() => this.#grow());
  }

  #grow() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`;
  }

  /** Whether the text can be sent as it is, and what is told of its length. */
  #judge() {
    const chars = countChars(this.#field.value.trim());
    const left = MAX_CHARS - chars;
    const isNear = chars >= COUNT_FROM_CHARS;
    const key = left < 0 ? "charsOver" : "charsLeft";
    setText(this.#count, isNear ? this.#words.say(key, { count: Math.abs(left) }) : "");
    this.#count.classList.toggle("over", left < 0);
    this.#careful.hidden = isNear;
    this.#send.disabled = chars === 0 || left < 0 || this.#isBusy;
  }
}

/** Characters as the server counts them: code points. */
export function countChars(text) {
  return [...text].length;
}
