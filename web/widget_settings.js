/**
 * What a site may choose for the widget, made safe: each value is one we know, or a text to show.
 *
 * It touches no page. The rule that must not break: whatever a site sends, a value of this list
 * comes out, and no text of it is ever anything but text.
 */
const COLOR = /^#([\da-f]{3}){1,2}$/i;
const MAX_CHARS = 300;
const MAX_SUGGESTIONS = 8;

export function readSettings(given) {
  const sent = Object(given);
  return {
    key: readText(sent.key),
    title: readText(sent.title),
    greeting: readText(sent.greeting) || null,
    suggestions: readSuggestions(sent.suggestions),
    language: choose(sent.language, ["zh", "en"], null),
    session: choose(sent.session, ["new", "tab", "resume"], "tab"),
    theme: choose(sent.theme, ["auto", "light", "dark"], "auto"),
    color: typeof sent.color === "string" && COLOR.test(sent.color) ? sent.color : null,
    ink: choose(sent.ink, ["#000", "#fff"], "#fff"),
  };
}

/** Who the site says the visitor is; null for nobody. Only `token` can ever be proof of it. */
export function readVisitor(given) {
  const [id, name, token] = [given?.id, given?.name, given?.token].map((one) => readText(one, 2048));
  return id || name || token ? { id, name: name.slice(0, MAX_CHARS), token } : null;
}

function readSuggestions(given) {
  const texts = Array.isArray(given) ? given.map((one) => readText(one)).filter(Boolean) : [];
  return texts.length ? texts.slice(0, MAX_SUGGESTIONS) : null;
}

function readText(given, maxChars = MAX_CHARS) {
  return typeof given === "string" ? given.trim().slice(0, maxChars) : "";
}

function choose(given, allowed, fallback) {
  return allowed.includes(given) ? given : fallback;
}
