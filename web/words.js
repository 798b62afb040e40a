/**
 * The choice between the page's languages, and a text of one with its values.
 *
 * The texts are in words_zh.js and words_en.js, those of the boxes in words_boxes….js. The rule that
 * must not break: every key is there in both languages.
 */
import { en } from "./words_en.js";
import { zh } from "./words_zh.js";

export const LANGUAGES = Object.freeze({ zh, en });

/** The kept language if there is one, else the first of the browser's that we speak. */
export function chooseLanguage(kept, preferred) {
  if (Object.hasOwn(LANGUAGES, kept)) return kept;
  const spoken = preferred.map((tag) => tag.slice(0, 2).toLowerCase());
  return spoken.find((code) => Object.hasOwn(LANGUAGES, code)) ?? "en";
}

export class Words {
  #more;

  /** `more` are texts that come on top of the page's own. */
  constructor(language, more = {}) {
    this.language = language;
    this.#more = more;
  }

  /** The same with the texts of `tables`, one table for each language. */
  with(tables) {
    return new Words(this.language, { ...this.#more, ...tables[this.language] });
  }

  get other() {
    return this.language === "zh" ? "en" : "zh";
  }

  say(key, values = {}) {
    const text = this.#more[key] ?? LANGUAGES[this.language][key];
    return text.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }
}
