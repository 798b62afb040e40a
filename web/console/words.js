/**
 * The texts of the console in every language, to be laid over the page's own.
 *
 * It chooses none; a tab that brings texts of its own lays them over these. The rule that must not
 * break: every key is there in both languages.
 */
import { en } from "./words_en.js";
import { zh } from "./words_zh.js";

export const CONSOLE_WORDS = Object.freeze({ zh, en });
