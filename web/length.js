/**
 * How long a message may be, and what is told of one that is nearly too long.
 *
 * It touches no page. The rule that must not break: characters are counted as the server counts
 * them, and the limit is the one that the server tells.
 */

/** What holds until the server has told: its own default. */
export const USUAL_MOST = 2000;
const NEAR = 0.9;

/** Code points. */
export function countChars(text) {
  return [...text].length;
}

/** Of a text that may have `most` characters: what is told of it once it is near, and whether it is over. */
export function describeLength(words, text, most) {
  const chars = countChars(text);
  const left = most - chars;
  const key = left < 0 ? "charsOver" : "charsLeft";
  const isNear = chars >= most * NEAR;
  return { told: isNear ? words.say(key, { count: Math.abs(left) }) : "", isOver: left < 0 };
}
