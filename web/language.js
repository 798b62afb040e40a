/**
 * The words of the marked-up page: `data-words` for text, `data-words-label` for the name that
 * screen readers say, `data-words-placeholder` for an empty field.
 *
 * It chooses no language. The rule that must not break: an element with children keeps them, so
 * only elements without any carry `data-words`.
 */
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
}

function list(root, selector) {
  const parts = [...root.querySelectorAll(selector)];
  return root.matches?.(selector) ? [root, ...parts] : parts;
}
