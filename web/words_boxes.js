/**
 * The texts of the page's boxes in every language, to be laid over the page's own.
 *
 * It chooses none. The rule that must not break: no key of theirs is one of the page's own.
 */
import { en } from "./words_boxes_en.js";
import { zh } from "./words_boxes_zh.js";

export const BOXES = Object.freeze({ zh, en });
