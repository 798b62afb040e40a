/**
 * The words of the marked-up page: `data-words` for text, `data-words-label` for the name that
 * screen readers say, `data-words-placeholder` for an empty field, `data-words-lang` for the language
 * of what stands there in another than the page's; and the language of what somebody said.
 *
 * It chooses no language. The rule that must not break: an element with children keeps them, so
 * only elements without any carry `data-words`.
 */
const HAN = /\p{Script=Han}/u;
const LATIN = /\p{Script=Latin}/u;

export function label(root, words) {
  for (const element of list(root, "[data-words]")) {
    element.textContent = words.say(element.dataset.words);
  }
  for (const element of list(root, "[data-words-label]")) {
    element.setAttribute("aria-label", words.say(element.dataset.wordsLabel));
    if (element.matches("button")) element.title = words.say(element.dataset.wordsLabel);
  }
  for (const element of list(root, "[data-words-placeholder]")) {
    element.placeholder = words.say(element.dataset.wordsPlaceholder);
  }
  for (const element of list(root, "[data-words-lang]")) {
    element.setAttribute("lang", words.say(element.dataset.wordsLang));
  }
}

/** Marks `element` as in the language of its `text`, as far as letters tell one. A single Chinese
 * character makes it Chinese: those voices read English too, while others leave Chinese out. */
export function markLanguage(element, text) {
  const language = HAN.test(text) ? "zh" : LATIN.test(text) ? "en" : null;
  if (element.getAttribute("lang") === language) return;
  if (language) element.setAttribute("lang", language);
  else element.removeAttribute("lang");
}

function list(root, selector) {
  const parts = [...root.querySelectorAll(selector)];
  return root.matches?.(selector) ? [root, ...parts] : parts;
}
