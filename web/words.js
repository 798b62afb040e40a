/**
 * The choice between the page's languages, and a text of one with its values.
 *
 * The texts are in words_zh.js and words_en.js. The rule that must not break: every key is there
 * in both languages, so a switch never leaves a gap.
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
  constructor(language) {
    this.language = language;
  }

  get other() {
    return this.language === "zh" ? "en" : "zh";
  }

  say(key, values = {}) {
    return LANGUAGES[this.language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }
}
