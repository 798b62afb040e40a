/**
 * What the list of past conversations shows of one: its title, its time, where words were found.
 *
 * It reads histories as the server gives them and keeps nothing. The rule that must not break: an
 * excerpt is a piece of what was said, to the letter, around what was found.
 */
const TITLE_CHARS = 40;
const BEFORE_CHARS = 12;
const AFTER_CHARS = 36;

/** {title, atMs, count}: the first question, the time of the last message, how many there are. */
export function summarise({ messages }) {
  const first = messages.find(({ role }) => role === "customer");
  const title = cut(first?.text.replace(/\s+/g, " ").trim() ?? "");
  return { title, atMs: messages.at(-1)?.created_ms ?? null, count: messages.length };
}

/** Where `query` stands first in what was said, as {before, hit, after}; null where it does not. */
export function findIn({ messages }, query) {
  const wanted = fold(query.trim()).text;
  if (wanted === "") return null;
  for (const { text } of messages) {
    const place = locate(text, wanted);
    if (place) return excerpt(text, place);
  }
  return null;
}

/** In whole characters: full and half width, large and small letters count as the same. */
function locate(text, wanted) {
  const { text: folded, starts } = fold(text);
  const at = folded.indexOf(wanted);
  return at < 0 ? null : { start: starts[at], end: starts[at + wanted.length] };
}

/** The text to compare, and for each of its units which character of `text` it comes from. */
function fold(text) {
  const [parts, starts] = [[], []];
  const chars = [...text];
  chars.forEach((char, index) => {
    const part = char.normalize("NFKC").toLowerCase();
    parts.push(part);
    for (let unit = 0; unit < part.length; unit += 1) starts.push(index);
  });
  return { text: parts.join(""), starts: [...starts, chars.length] };
}

function excerpt(text, { start, end }) {
  const chars = [...text];
  const stop = Math.max(end, start + 1);
  const [from, to] = [Math.max(0, start - BEFORE_CHARS), stop + AFTER_CHARS];
  return {
    before: (from > 0 ? "…" : "") + chars.slice(from, start).join(""),
    hit: chars.slice(start, stop).join(""),
    after: chars.slice(stop, to).join("") + (to < chars.length ? "…" : ""),
  };
}

function cut(text) {
  const chars = [...text];
  return chars.length > TITLE_CHARS ? `${chars.slice(0, TITLE_CHARS).join("")}…` : text;
}
