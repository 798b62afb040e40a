/**
 * The field for the question: its height, its limit, its Enter key, its send and stop buttons.
 *
 * It sends nothing itself; it fires `send` with the text, and `stop`. The rules that must not
 * break: Enter that ends a Chinese input method's word never sends, and no typed text is cut.
 */
import { isComposed } from "./composing.js";
import { setText } from "./elements.js";
import { USUAL_MOST, describeLength } from "./length.js";

export class Composer extends EventTarget {
  #field;
  #send;
  #stop;
  #count;
  #careful;
  #isBusy = false;
  #most = USUAL_MOST;
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

  /** Lets go what was typed. */
  clear() {
    this.#field.value = "";
    this.#take();
  }

  /** Words of another language for what is shown already. */
  speak(words) {
    this.#words = words;
    this.#judge();
  }

  /** So many characters may a question have. */
  limit(most) {
    if (most === this.#most) return;
    this.#most = most;
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
    if (isComposed(event)) return;
    event.preventDefault();
    this.#submit();
  }

  #submit() {
    const text = this.#field.value.trim();
    if (!text || this.#isBusy || describeLength(this.#words, text, this.#most).isOver) return;
    this.clear();
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
    const text = this.#field.value.trim();
    const { told, isOver } = describeLength(this.#words, text, this.#most);
    setText(this.#count, told);
    this.#count.classList.toggle("over", isOver);
    this.#careful.hidden = told !== "";
    this.#send.disabled = !text || isOver || this.#isBusy;
  }
}
