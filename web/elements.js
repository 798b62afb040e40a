/**
 * Elements built by calls: the only way in which the conversation makes its markup.
 *
 * It takes no HTML, so nothing that a customer, a shop or a model wrote can become any. The rule
 * that must not break: a text is a text node, and an attribute's name stands in our own code.
 */
const SVG = "http://www.w3.org/2000/svg";
const GRID = "0 0 24 24";

/** Values `null`, `undefined` and `false` leave an attribute out; `true` sets it empty. */
export function build(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  decorate(element, attributes);
  element.append(...children);
  return element;
}

/** A line drawing of 24 by 24, one path for each of `lines`, for eyes only. */
export function draw(lines, attributes = {}) {
  const picture = document.createElementNS(SVG, "svg");
  decorate(picture, { viewBox: GRID, "aria-hidden": "true", ...attributes });
  for (const line of lines) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", line);
    picture.append(path);
  }
  return picture;
}

/** A button of the fixed words `words`, to be read out as `name` where it has none to see. */
export function button(kind, { words, name, icon, ...attributes } = {}) {
  const children = [];
  if (icon) children.push(draw(icon));
  if (words) children.push(build("span", { "data-words": words }));
  return build("button", { class: kind, type: "button", "data-words-label": name, ...attributes }, ...children);
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function decorate(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
}

export const ICONS = Object.freeze({
  person: ["M12 4a4 4 0 1 0 .01 0z", "M4.5 20.5a7.5 7.5 0 0 1 15 0"],
  alert: ["M12 3a9 9 0 1 0 .01 0z", "M12 7.5v5.5m0 3.5v.1"],
  back: ["M10 6l-6 6 6 6M4 12h16"],
  down: ["M12 5v14m-6-6 6 6 6-6"],
  up: ["M12 19V5m-6 6 6-6 6 6"],
  stop: ["M8.5 7h7A1.5 1.5 0 0 1 17 8.5v7a1.5 1.5 0 0 1-1.5 1.5h-7A1.5 1.5 0 0 1 7 15.5v-7A1.5 1.5 0 0 1 8.5 7z"],
  seal: ["M12 3l7 3v5.5c0 4.5-3 8-7 9.5-4-1.5-7-5-7-9.5V6z", "m8.8 12 2.3 2.3 4.2-4.5"],
  spark: ["M11 4l1.8 5.2L18 11l-5.2 1.8L11 18l-1.8-5.2L4 11l5.2-1.8zM18.5 15.5v5m-2.5-2.5h5"],
  fold: ["m7 10 5 5 5-5"],
  copy: [
    "M10.5 8.5h7a2 2 0 0 1 2 2v7a2 2 0 0 1-2 2h-7a2 2 0 0 1-2-2v-7a2 2 0 0 1 2-2z",
    "M15.5 8.5v-2a2 2 0 0 0-2-2h-7a2 2 0 0 0-2 2v7a2 2 0 0 0 2 2h2",
  ],
  good: ["M7 11v9H4v-9zM7 11l4-8c1.7 0 2.6 1 2.4 2.6L13 9h5.5a2 2 0 0 1 2 2.4l-1.4 7a2 2 0 0 1-2 1.6H7"],
  bad: ["M17 13V4h3v9zM17 13l-4 8c-1.7 0-2.6-1-2.4-2.6L11 15H5.5a2 2 0 0 1-2-2.4l1.4-7a2 2 0 0 1 2-1.6H17"],
  more: ["M5 11.9v.2M12 11.9v.2M19 11.9v.2"],
  close: ["m6 6 12 12M18 6 6 18"],
});
