/**
 * The small parts that the console is built of: buttons with texts, chips, fields, times.
 *
 * It holds no text and no state. The rule that must not break: what somebody wrote gets into the
 * page as a text node, and every control has a name.
 */
import { isComposed } from "../composing.js";
import { build, draw } from "../elements.js";
import { CONSOLE_WORDS } from "./words.js";

const FIELDS = ["TEXTAREA", "INPUT"];
const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_MS = 86_400_000;

/** A button that says `text`, or only shows `icon` and is called `text`. */
export function press(text, onPress, { kind = "act", icon, isBare = false, ...attributes } = {}) {
  const children = icon ? [draw(icon)] : [];
  if (!isBare) children.push(build("span", {}, text));
  const names = isBare ? { "aria-label": text, title: text } : {};
  const button = build("button", { class: kind, type: "button", ...names, ...attributes }, ...children);
  button.addEventListener("click", onPress);
  return button;
}

export function chip(text, kind = "") {
  return build("span", { class: `chip ${kind}`.trim() }, text);
}

/** A labelled field: `control` has to have an id. */
export function field(text, control, kind = "field") {
  return build("div", { class: kind },
    build("label", { for: control.id }, text), control);
}

/** A select of [value, text] pairs. */
export function choose(id, pairs, value, onChange) {
  const options = pairs.map(([each, text]) =>
    build("option", { value: each, selected: each === value }, text));
  const select = build("select", { id }, ...options);
  select.addEventListener("change", () => onChange(select.value));
  return select;
}

/** What was asked of the server: the button rests meanwhile, and a refusal is told by `fail`. */
export async function attempt(button, act, fail) {
  if (button.getAttribute("aria-disabled") === "true") return false;
  button.setAttribute("aria-disabled", "true");
  try {
    await act();
    return true;
  } catch (error) {
    if (!error.code) throw error;
    fail(error);
    return false;
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** Whether a key leads away: not while a word is composed, and not out of a field with words. */
export function isLeaving(event) {
  const { key, defaultPrevented, target } = event;
  if (key !== "Escape" || defaultPrevented || isComposed(event)) return false;
  return !(FIELDS.includes(target.tagName) && target.value);
}

/** How long somebody has waited: 0:07, 12:30, 1:02:03. */
export function describeWait(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes] = [Math.floor(seconds / HOUR_S), Math.floor(seconds / MINUTE_S) % 60];
  const tail = String(seconds % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** The time of day; before today with its date. */
export function describeTime(ms, words, nowMs = Date.now()) {
  const isRecent = nowMs - ms < DAY_MS && new Date(ms).getDate() === new Date(nowMs).getDate();
  const style = isRecent ? { timeStyle: "short" } : { dateStyle: "short", timeStyle: "short" };
  return new Intl.DateTimeFormat(words.say("languageCode"), style).format(ms);
}

/** The words of `value`, which is a `kind` that the server names; one of tomorrow stands as it is. */
export function sayOf(words, kind, value) {
  const key = `${kind}_${value}`;
  return Object.hasOwn(CONSOLE_WORDS[words.language], key) ? words.say(key) : String(value);
}

/** The short name of a conversation. */
export function nameOf(id) {
  return `#${id.slice(0, 6)}`;
}

/** What to say to a refusal: in our words where its code is known. */
export function describeRefusal(words, error) {
  const key = Object.hasOwn(REFUSALS, error.code) ? REFUSALS[error.code] : null;
  const values = { seconds: error.retryAfterS, message: error.message, account: error.detail?.account ?? "" };
  return words.say(key ?? "refusedOther", values);
}

const REFUSALS = Object.freeze({
  unreached: "refusedUnreached",
  login_refused: "refusedLogin",
  too_many_requests: "refusedTooMany",
  insecure_connection: "refusedInsecure",
  access_denied: "refusedRole",
  already_taken: "refusedTaken",
  handoff_refused: "refusedState",
  unknown_operator: "refusedOperator",
  turn_running: "refusedRunning",
  store_unavailable: "refusedStore",
  session_not_found: "refusedGone",
  restarting: "refusedRestarting",
});
