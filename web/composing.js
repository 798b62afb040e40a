/**
 * Whether a key belongs to a word that an input method composes.
 *
 * It touches no page. The rule that must not break: a key that ends or drops such a word does
 * nothing else.
 */

/** Safari ends the word before the key that ended it, and marks that key by this alone. */
const INPUT_METHOD_KEY = 229;

export function isComposed({ isComposing, keyCode }) {
  return isComposing || keyCode === INPUT_METHOD_KEY;
}
