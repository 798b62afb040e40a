/**
 * Markdown that grows, as DOM nodes under one root.
 *
 * It makes no HTML string and loads no image. The rules that must not break: whatever the model
 * says, text stays text, and a link leads only where `isSafeLink` allows.
 */
import * as smd from "./vendor/streaming-markdown/smd.min.js";

const SAFE_PROTOCOLS = new Set(["http:", "https:", "mailto:", "tel:"]);

// The page's own headings stand above those of an answer.
const TAGS = new Map([
  [smd.PARAGRAPH, "p"],
  [smd.HEADING_1, "h3"],
  [smd.HEADING_2, "h4"],
  [smd.HEADING_3, "h5"],
  [smd.HEADING_4, "h6"],
  [smd.HEADING_5, "h6"],
  [smd.HEADING_6, "h6"],
  [smd.BLOCKQUOTE, "blockquote"],
  [smd.RULE, "hr"],
  [smd.LINE_BREAK, "br"],
  [smd.LIST_UNORDERED, "ul"],
  [smd.LIST_ORDERED, "ol"],
  [smd.LIST_ITEM, "li"],
  [smd.ITALIC_AST, "em"],
  [smd.ITALIC_UND, "em"],
  [smd.STRONG_AST, "strong"],
  [smd.STRONG_UND, "strong"],
  [smd.STRIKE, "s"],
  [smd.CODE_INLINE, "code"],
  [smd.CODE_BLOCK, "code"],
  [smd.CODE_FENCE, "code"],
  [smd.LINK, "a"],
  [smd.RAW_URL, "a"],
  [smd.TABLE, "table"],
  [smd.TABLE_ROW, "tr"],
]);

// A shop's "$5" must not vanish into mathematics that nobody renders here.
const SIGNS = new Map([
  [smd.EQUATION_INLINE, "$"],
  [smd.EQUATION_BLOCK, "$$"],
]);

// Inside these a sign is itself already, and an escape would show or spoil an address.
const VERBATIM = new Set([
  smd.CODE_INLINE, smd.CODE_BLOCK, smd.CODE_FENCE, smd.LINK, smd.RAW_URL, smd.IMAGE,
]);

// order_id and 2*3*4 are meant as they stand; the parser would make emphasis of them.
const NAME_SIGN = /^[\p{L}\p{N}]_[\p{L}\p{N}]$/u;
const PRODUCT_SIGN = /^\d\*\d$/;

export function isSafeLink(address) {
  try {
    return SAFE_PROTOCOLS.has(new URL(address).protocol);
  } catch {
    return false;
  }
}

export class MarkdownText {
  #root;
  #text = "";
  #before = "";
  #sign = "";
  #parser;
  #flush = ignore;

  constructor(root) {
    this.#root = root;
    this.#clear();
  }

  /** Shows `text`; where it only grew, only the growth is added. */
  show(text) {
    if (!text.startsWith(this.#text)) this.#clear();
    const growth = text.slice(this.#text.length);
    this.#text = text;
    this.#guard(() => {
      for (const char of growth) this.#write(char);
    });
    this.#flush();
  }

  /** Shows what the parser held back to see what follows. */
  end() {
    this.#guard(() => {
      this.#release("");
      smd.parser_end(this.#parser);
    });
    this.#flush();
  }

  /** Holds a sign back until the character after it shows whether it is meant as it stands. */
  #write(char) {
    this.#release(char);
    if (char === "_" || char === "*") {
      this.#sign = char;
      return;
    }
    smd.parser_write(this.#parser, char);
    this.#before = char;
  }

  #release(after) {
    const sign = this.#sign;
    if (!sign) return;
    const around = this.#before + sign + after;
    const isMeant = NAME_SIGN.test(around) || PRODUCT_SIGN.test(around);
    const escape = isMeant && !VERBATIM.has(this.#parser.token) ? "\\" : "";
    smd.parser_write(this.#parser, escape + sign);
    this.#before = sign;
    this.#sign = "";
  }

  #clear() {
    this.#text = "";
    this.#before = "";
    this.#sign = "";
    this.#root.replaceChildren();
    const { renderer, flush } = createRenderer(this.#root);
    this.#parser = smd.parser(renderer);
    this.#flush = flush;
  }

  /** Where the parser gives up, the whole answer is shown as plain text. */
  #guard(write) {
    try {
      write();
    } catch {
      this.#root.replaceChildren(this.#text);
      this.#parser = smd.parser(ignoreAll);
      this.#flush = ignore;
    }
  }
}

const ignore = () => {};
const ignoreAll = { add_token: ignore, end_token: ignore, add_text: ignore, set_attr: ignore };

/** Text is gathered until something else comes: the parser gives it letter by letter. */
function createRenderer(root) {
  const open = [root];
  let gathered = "";
  const flush = () => {
    if (gathered) addText(open.at(-1), gathered);
    gathered = "";
  };
  const renderer = {
    add_token: (_, token) => {
      flush();
      open.push(createPart(token, open.at(-1)));
    },
    end_token: () => {
      flush();
      const part = open.length > 1 ? open.pop() : root;
      if (part.dataset.sign) part.append(part.dataset.sign);
    },
    add_text: (_, text) => (gathered += text),
    set_attr: (_, name, value) => {
      flush();
      setAttribute(open.at(-1), name, value);
    },
  };
  return { renderer, flush };
}

/** One text node grows, so a selection in it stays. */
function addText(part, text) {
  if (part.lastChild?.nodeType === Node.TEXT_NODE) part.lastChild.appendData(text);
  else part.append(text);
}

function createPart(token, parent) {
  const part = document.createElement(chooseTag(token, parent));
  if (token === smd.CHECKBOX) part.append("☐ ");
  if (SIGNS.has(token)) {
    part.dataset.sign = SIGNS.get(token);
    part.append(part.dataset.sign);
  }
  chooseHome(token, parent).append(part);
  return part;
}

function chooseTag(token, parent) {
  if (token === smd.TABLE_CELL) return parent.parentElement.tagName === "THEAD" ? "th" : "td";
  return TAGS.get(token) ?? "span";
}

/** A block of code scrolls in its own box; the first row of a table is its head. */
function chooseHome(token, parent) {
  if (token === smd.CODE_BLOCK || token === smd.CODE_FENCE) {
    const box = document.createElement("pre");
    box.tabIndex = 0;
    return parent.appendChild(box);
  }
  if (token !== smd.TABLE_ROW) return parent;
  if (parent.children.length > 1) return parent.lastElementChild;
  return parent.appendChild(document.createElement(parent.firstChild ? "tbody" : "thead"));
}

function setAttribute(part, name, value) {
  if (name === smd.HREF && isSafeLink(value)) {
    part.setAttribute("href", value);
    part.setAttribute("target", "_blank");
    part.setAttribute("rel", "noopener noreferrer");
  }
  if (name === smd.START && part.tagName === "OL") part.setAttribute("start", value);
  if (name === smd.CHECKED) part.replaceChildren("☑ ");
}
