/**
 * The question at the end: one to five stars, and a word about it.
 *
 * It asks nobody by itself; `send` is handed in and tells whether it got through. The rule that must
 * not break: nobody has to answer it, and the last word counts.
 */
import { build, button, ICONS, setText } from "./elements.js";
import { label } from "./language.js";

const STARS = 5;
const MAX_CHARS = "500";

/** Its element fires `close` when the customer is done with it. */
export function buildRating(send) {
  return new Rating(send);
}

class Rating {
  #send;
  #stars = [];
  #chosen = 0;
  #hasComment = false;
  #turn = 0;
  #words = null;
  isAsking = false;

  constructor(send) {
    this.#send = send;
    this.#build();
  }

  speak(words) {
    this.#words = words;
    label(this.element, words);
    this.#stars.forEach((star, index) =>
      star.setAttribute("aria-label", words.say("ratingStars", { count: index + 1 })));
  }

  begin() {
    this.isAsking = true;
    this.#chosen = 0;
    this.#show();
    setText(this.#find(".rating-said"), "");
    this.#forget();
  }

  end() {
    this.isAsking = false;
    this.element.hidden = true;
    this.#forget();
  }

  /** What was said is of one conversation. */
  #forget() {
    this.#turn += 1;
    this.#hasComment = false;
    this.#find("input").value = "";
  }

  #build() {
    this.#stars = Array.from({ length: STARS }, (_, index) => {
      const star = button("star", { icon: STAR, "aria-pressed": "false" });
      star.addEventListener("click", () => this.#rate(index + 1));
      return star;
    });
    const close = button("tool", { name: "close", icon: ICONS.close });
    close.addEventListener("click", () => this.#close());
    this.element = build("div", { class: "rating", role: "group", "data-words-label": "ratingAsk", hidden: true },
      build("p", { "aria-hidden": "true", "data-words": "ratingAsk" }),
      build("div", { class: "stars" }, ...this.#stars), close,
      build("form", { class: "contact-form", hidden: true },
        build("label", { for: "rating-comment", "data-words": "ratingComment" }),
        build("input", { id: "rating-comment", maxlength: MAX_CHARS, autocomplete: "off" }),
        build("button", { class: "contact-send", type: "submit", "data-words": "ratingSend" })),
      build("p", { class: "rating-said", role: "status" }));
    this.#find("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#rate(this.#chosen, this.#find("input").value.trim());
    });
  }

  /** Stars alone leave the comment that was given before. */
  async #rate(stars, comment = "") {
    const turn = this.#turn;
    const isKept = await this.#send(comment ? { stars, comment } : { stars });
    if (turn !== this.#turn) return;
    if (isKept) this.#chosen = stars;
    if (isKept && comment) this.#hasComment = true;
    this.#show();
    this.#find("form").hidden = !isKept || this.#hasComment;
    setText(this.#find(".rating-said"), this.#words.say(isKept ? "thanks" : "judgeFailed"));
    if (isKept && !this.#hasComment) this.#find("input").focus();
  }

  #show() {
    this.element.hidden = false;
    this.#find("form").hidden = this.#chosen === 0;
    this.#stars.forEach((star, index) => {
      star.classList.toggle("lit", index < this.#chosen);
      star.setAttribute("aria-pressed", String(index + 1 === this.#chosen));
    });
  }

  #close() {
    this.end();
    this.element.dispatchEvent(new Event("close"));
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }
}

const STAR = ["M12 3.5l2.6 5.4 5.9.8-4.3 4.1 1 5.9L12 16.9l-5.2 2.8 1-5.9L3.5 9.7l5.9-.8z"];
