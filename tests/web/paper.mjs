/**
 * A document in memory, as far as the tests of the pages need one: elements, texts, attributes.
 *
 * It draws nothing and knows no style. The rule that must not break: what it is asked for and does
 * not know is an error, so a test never passes because nothing happened.
 */
const SELECTOR = /^(?:\.(?<name>[\w-]+)|#(?<id>[\w-]+)|\[(?<attribute>[\w-]+)\]|(?<tag>\w+))$/;

class Text {
  nodeType = 3;

  constructor(data) {
    this.data = data;
  }

  appendData(more) {
    this.data += more;
  }
}

export class Element extends EventTarget {
  nodeType = 1;
  value = "";
  classList = { toggle() {}, contains: () => false };
  dataset = new Proxy({}, {
    get: (_, name) => this.getAttribute(nameData(name)) ?? undefined,
    set: (_, name, value) => {
      this.setAttribute(nameData(name), value);
      return true;
    },
  });
  tabIndex = -1;
  parentElement = null;
  #nodes = [];
  #attributes = new Map();

  constructor(tag) {
    super();
    this.tagName = tag.toUpperCase();
  }

  get children() {
    return this.#nodes.filter(({ nodeType }) => nodeType === 1);
  }

  get childNodes() {
    return [...this.#nodes];
  }

  get firstChild() {
    return this.#nodes[0] ?? null;
  }

  get lastChild() {
    return this.#nodes.at(-1) ?? null;
  }

  get lastElementChild() {
    return this.children.at(-1) ?? null;
  }

  append(...parts) {
    for (const part of parts) {
      const node = typeof part === "string" ? new Text(part) : part;
      if (node.nodeType === 1) node.parentElement = this;
      this.#nodes.push(node);
    }
  }

  appendChild(part) {
    this.append(part);
    return part;
  }

  replaceChildren(...parts) {
    this.#nodes = [];
    this.append(...parts);
  }

  insertBefore(part, next) {
    const nodes = this.#nodes.filter((node) => node !== part);
    nodes.splice(next ? nodes.indexOf(next) : nodes.length, 0, part);
    this.replaceChildren(...nodes);
  }

  replaceWith(...parts) {
    const siblings = this.parentElement.childNodes;
    siblings.splice(siblings.indexOf(this), 1, ...parts);
    this.parentElement.replaceChildren(...siblings);
  }

  get firstElementChild() {
    return this.children[0] ?? null;
  }

  get textContent() {
    return this.#nodes.map((node) => node.data ?? node.textContent).join("");
  }

  set textContent(text) {
    this.replaceChildren(text);
  }

  setAttribute(name, value) {
    this.#attributes.set(name, value);
  }

  getAttribute(name) {
    return this.#attributes.get(name) ?? null;
  }

  removeAttribute(name) {
    this.#attributes.delete(name);
  }

  matches(selector) {
    const { name, id, attribute, tag } = SELECTOR.exec(selector).groups;
    if (name) return (this.getAttribute("class") ?? "").split(" ").includes(name);
    if (id) return this.getAttribute("id") === id;
    if (attribute) return this.getAttribute(attribute) !== null;
    return this.tagName === tag.toUpperCase();
  }

  querySelectorAll(selector) {
    return this.children.flatMap((child) =>
      [...(child.matches(selector) ? [child] : []), ...child.querySelectorAll(selector)]);
  }

  querySelector(selector) {
    return this.querySelectorAll(selector)[0] ?? null;
  }

  focus() {
    document.activeElement = this;
  }

  contains(node) {
    return node === this || this.children.some((child) => child.contains(node));
  }

  /** The tree as one text; neighbouring texts are one. */
  get drawn() {
    const attributes = [...this.#attributes].map(([name, value]) => ` ${name}=${value}`).join("");
    const inside = this.#nodes.map((node) => (node.nodeType === 1 ? node.drawn : node.data));
    return `<${this.tagName.toLowerCase()}${attributes}>${inside.join("")}</>`;
  }
}

function nameData(name) {
  return `data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function lay() {
  globalThis.Node = { TEXT_NODE: 3 };
  globalThis.document = {
    createElement: (tag) => new Element(tag),
    createElementNS: (_, tag) => new Element(tag),
  };
}
