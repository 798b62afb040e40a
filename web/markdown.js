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
  smd.CODE_INLINE, smd.CODE_BLOCK, smd.CODE_FENCE, smd.RAW_URL, smd.IMAGE,
  smd.EQUATION_INLINE, smd.EQUATION_BLOCK,
]);

// What began with one of these and never ended was no emphasis: its sign must not vanish.
const MARKS = new Map([
  [smd.ITALIC_AST, "*"],
  [smd.ITALIC_UND, "_"],
  [smd.STRONG_AST, "**"],
  [smd.STRONG_UND, "__"],
  [smd.STRIKE, "~~"],
]);
// A shop's [含税] or [1] is no link while no address follows.
const BRACKETS = new Map([
  [smd.LINK, "["],
  [smd.IMAGE, "!["],
]);
const CLOSING = /^(\*\*?|__?|~)$/;

// order_id, 2*3*4, 138****5678 and 王*明 are meant as they stand; the parser would make emphasis.
const MEANT = [
  /^[A-Za-z0-9][*_]+[A-Za-z0-9]$/,
  /^[\p{L}\p{N}]_[\p{L}\p{N}]$/u,
  /^\p{Script=Han}\*\p{Script=Han}$/u,
];
const LINE_START = /^[\s>*+-]*(\d+\.\s+)?$/;

// A bare address has these signs alone (RFC 3986); at its end they belong to the sentence.
const ADDRESS_SIGN = /^[\w\-.~:/?#[\]@!$&'()*+,;=%\s]$/;
const SENTENCE_END = /[.,;:!?'"*)\]]$/;

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
  #line = "";
  #before = "";
  #run = "";
  #parser;
  #flush = ignore;
  #finish = ignore;

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
      this.#finish();
    });
    this.#flush();
  }

  /** Holds a run of signs back until the character after it shows whether it stands for itself. */
  #write(char) {
    if (char === this.#run[0]) {
      this.#run += char;
      return;
    }
    this.#release(char);
    if (char === "_" || char === "*") {
      this.#run = char;
      return;
    }
    // To the parser only a blank or an escape ends a bare address.
    const isBehind = this.#isIn(smd.RAW_URL) && !ADDRESS_SIGN.test(char);
    smd.parser_write(this.#parser, isBehind ? `\\${char}` : char);
    this.#take(char);
  }

  #release(after) {
    const run = this.#run;
    if (!run) return;
    const isEscaped = this.#isMeant(after) && !this.#isVerbatim();
    smd.parser_write(this.#parser, isEscaped ? run.replaceAll(run[0], "\\$&") : run);
    this.#take(run);
    this.#run = "";
  }

  #take(text) {
    this.#line = text === "\n" ? "" : this.#line + text;
    this.#before = text;
  }

  /** A long run is a mask, but for a rule and for ***both emphases***. */
  #isMeant(after) {
    const run = this.#run;
    if (MEANT.some((sign) => sign.test(this.#before + run + after))) return true;
    if (run.length < 3) return false;
    const isAlone = after === "" || after === "\n";
    if (LINE_START.test(this.#line)) return run.length > 3 && !isAlone;
    return run.length > 3 || !this.#isIn(smd.ITALIC_AST, smd.ITALIC_UND);
  }

  /** A code that has just begun and the address of a link are not told by the open part. */
  #isVerbatim() {
    if (this.#isIn(smd.LINK)) return this.#parser.pending.startsWith("](");
    return this.#before === "`" || this.#isIn(...VERBATIM);
  }

  #isIn(...parts) {
    return parts.includes(this.#parser.tokens[this.#parser.len]);
  }

  #clear() {
    this.#text = "";
    this.#line = "";
    this.#before = "";
    this.#run = "";
    this.#root.replaceChildren();
    const { renderer, flush, finish } = createRenderer(this.#root, () => this.#parser.pending);
    this.#parser = smd.parser(renderer);
    this.#flush = flush;
    this.#finish = finish;
  }

  /** Where the parser gives up, the whole answer is shown as plain text. */
  #guard(write) {
    try {
      write();
    } catch {
      this.#root.replaceChildren(this.#text);
      this.#parser = smd.parser(ignoreAll);
      this.#flush = ignore;
      this.#finish = ignore;
    }
  }
}

const ignore = () => {};
const ignoreAll = { add_token: ignore, end_token: ignore, add_text: ignore, set_attr: ignore };

/**
 * Text is gathered until something else comes: the parser gives it letter by letter.
 * `peek` tells what the parser holds: by it a part that was ended differs from one that was cut.
 */
function createRenderer(root, peek) {
  const open = [{ part: root }];
  let gathered = "";
  const flush = () => {
    if (gathered) addText(open.at(-1).part, gathered);
    gathered = "";
  };
  const end = () => {
    flush();
    if (open.length === 1) return;
    const { part, token, hasAddress } = open.pop();
    if (part.dataset.sign) part.append(part.dataset.sign);
    const isCut = MARKS.has(token) && !CLOSING.test(peek());
    if (isCut) part.replaceWith(MARKS.get(token), ...part.childNodes);
    if (token === smd.RAW_URL) gathered = cutAddress(part);
    if (BRACKETS.has(token) && !hasAddress) {
      // At the end of a block the bracket may still stand open.
      const end = peek().startsWith("]") ? peek().trimEnd() : "";
      part.replaceWith(BRACKETS.get(token), ...part.childNodes, end);
    }
  };
  const renderer = {
    add_token: (_, token) => {
      flush();
      open.push({ part: createPart(token, open.at(-1).part), token });
    },
    end_token: end,
    add_text: (_, text) => (gathered += text),
    set_attr: (_, name, value) => {
      flush();
      const { part, token } = open.at(-1);
      open.at(-1).hasAddress = true;
      if (token !== smd.RAW_URL) setAttribute(part, name, value);
    },
  };
  const finish = () => {
    while (MARKS.has(open.at(-1).token) || BRACKETS.has(open.at(-1).token)) end();
  };
  return { renderer, flush, finish };
}

/** The link of a bare address leads as far as the address goes; gives what stands behind it. */
function cutAddress(part) {
  const text = part.firstChild.data;
  let address = text;
  while (SENTENCE_END.test(address) && !isBalanced(address)) address = address.slice(0, -1);
  part.replaceChildren(address);
  setAttribute(part, smd.HREF, address);
  return text.slice(address.length);
}

/** Whether a bracket at the end was opened in the address itself. */
function isBalanced(address) {
  const opening = { ")": "(", "]": "[" }[address.at(-1)];
  return opening && address.split(opening).length >= address.split(address.at(-1)).length;
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
