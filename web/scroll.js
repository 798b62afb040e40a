/**
 * Where the reader stands in the conversation.
 *
 * It knows no message. The rule that must not break: only a reader at the end is taken along by
 * a growing answer; anybody else stays where they are and gets a button to the end.
 */
const NEAR_PX = 60;

export class Scroll {
  #view;
  #content;
  #button;
  #isAtEnd = true;
  #top = 0;
  #height = 0;
  #seen = 0;

  constructor(view, content, button) {
    this.#view = view;
    this.#content = content;
    this.#button = button;
    view.addEventListener("scroll", () => this.#look(), { passive: true });
    button.addEventListener("click", () => this.toEnd());
    new ResizeObserver(() => this.follow()).observe(content);
    new ResizeObserver(() => this.follow()).observe(view);
  }

  /** An empty conversation shows its welcome, which is read from the top. */
  get #isEmpty() {
    return this.#content.firstChild === null;
  }

  toEnd() {
    this.#isAtEnd = true;
    this.follow();
  }

  /** What the reader opens grows where it stands, and takes nobody along. */
  hold() {
    this.#isAtEnd = false;
  }

  /** What grew since is no reader's doing: only a way up leaves the end, and none that the
   * browser went by itself, where the content shrank or the view grew. */
  #look() {
    const { scrollHeight, scrollTop, clientHeight } = this.#view;
    const isNear = this.#isEmpty || scrollHeight - scrollTop - clientHeight < NEAR_PX;
    const isCut = scrollHeight < this.#height || clientHeight > this.#seen;
    if (isNear || (scrollTop < this.#top && !isCut)) this.#isAtEnd = isNear;
    this.#top = scrollTop;
    this.#height = scrollHeight;
    this.#seen = clientHeight;
    this.#button.hidden = this.#isAtEnd;
  }

  /** Measures what stands there. What grew is measured in one task with it and not again in the
   * frame; the observers see whatever else changes its size. */
  follow() {
    if (this.#isAtEnd && !this.#isEmpty) this.#view.scrollTop = this.#view.scrollHeight;
    this.#look();
  }
}
