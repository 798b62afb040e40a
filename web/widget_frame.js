/**
 * The widget's frame: mounts the conversation as the site wishes, and does what its page asks.
 *
 * It holds no logic of a conversation (component.js has) and none of the bubble (widget.js has). The
 * rule that must not break: a name that the site did not sign is shown and nothing else, and who
 * comes after another visitor never sees that one's conversation.
 */
import { mount } from "./component.js";
import { isComposed } from "./composing.js";
import { label } from "./language.js";
import * as server from "./server.js";
import { Kept } from "./storage.js";
import { Host } from "./widget_host.js";
import { listNews } from "./widget_news.js";
import { Patience } from "./widget_patience.js";
import { Questions } from "./widget_questions.js";
import { readSettings, readVisitor } from "./widget_settings.js";
import { Words, chooseLanguage } from "./words.js";

const FOCUSABLE = "button, textarea, a[href], summary, input, select";
const PLACES = Object.freeze({
  new: forgetAtOnce,
  tab: () => sessionStorage,
  resume: () => localStorage,
});

const find = (id) => document.getElementById(id);
const host = new Host();
const patience = new Patience(server.checkHealth);

let conversation = null;
let questions = null;
let session = null;
let whose = null;
let words = new Words("zh");
let settings = readSettings({});
let visitor = null;
let isOpen = false;
let early = [];

/** A conversation of one page view is kept nowhere. */
function forgetAtOnce() {
  throw new Error("nothing is kept");
}

/** What the page around may ask, by the type of its message. */
const acts = {
  settings: (given) => conversation ?? begin(readSettings(given)),
  open: () => show(true),
  close: () => show(false),
  ask: (text) => typeof text === "string" && text.trim() && questions.add(text.trim()),
  reset: () => leaveConversation(),
  identify: (given) => identify(readVisitor(given)),
};

function hear(type, detail) {
  if (!Object.hasOwn(acts, type)) return;
  if (conversation || type === "settings") acts[type](detail);
  else early.push([type, detail]);
}

function begin(chosen) {
  settings = chosen;
  server.showKey(settings.key);
  words = new Words(settings.language ?? chooseLanguage(null, navigator.languages));
  const place = PLACES[settings.session];
  session = new Kept("widget.session", place);
  whose = new Kept("widget.visitor", place);
  dress();
  conversation = mount(find("root"), {
    words,
    session,
    draft: new Kept("widget.draft", settings.session === "new" ? forgetAtOnce : PLACES.tab),
    greeting: settings.greeting ?? undefined,
    starters: settings.suggestions ?? undefined,
    server: { ...server, checkHealth: patience.checkHealth, openSession },
  });
  watch(conversation.talk);
  questions = new Questions(conversation.talk, (text) => conversation.ask(text));
  conversation.show(isOpen);
  for (const [type, detail] of early.splice(0)) acts[type](detail);
  host.report("ready");
}

function dress() {
  const { style, dataset } = document.documentElement;
  document.documentElement.lang = words.say("languageCode");
  dataset.theme = settings.theme;
  if (settings.color) style.setProperty("--brand", settings.color);
  if (settings.color) style.setProperty("--brand-ink", settings.ink);
  label(document, words);
  find("title").textContent = settings.title || words.say("name");
  document.title = find("title").textContent;
  find("top").hidden = false;
}

function watch(talk) {
  let before = talk.state;
  talk.addEventListener("change", () => {
    const news = listNews(before, talk.state);
    before = talk.state;
    find("new").disabled = conversation.isEmpty;
    for (const { name, detail } of news) host.report(name, detail);
  });
}

function show(isNowOpen) {
  isOpen = isNowOpen;
  patience.show(isOpen);
  conversation.show(isOpen);
  if (!isOpen) return;
  // A finger wants to read first; the field would push its keyboard over everything.
  if (matchMedia("(pointer: coarse)").matches) find("title").focus();
  else conversation.focus();
}

/** The first question must not be ahead of the proof of who asks it. */
async function openSession() {
  const id = await server.openSession();
  await prove(id);
  return id;
}

async function prove(id) {
  if (!visitor?.token || !id) return;
  try {
    await server.identify(id, visitor.token);
  } catch (error) {
    host.report("failed", { code: error.code ?? "unreachable" });
  }
}

async function identify(named) {
  const before = whose.get();
  visitor = named;
  const after = named && (named.id || named.token);
  if (before !== null && before !== after) await leaveConversation();
  whose.set(after || null);
  greet();
  await prove(session.get());
}

function greet() {
  const name = visitor?.name;
  const greeting = settings.greeting ?? words.say("greeting");
  find("greeting").textContent = name ? `${name}${words.say("nameComma")}${greeting}` : greeting;
}

/** The conversation is closed at the appliance too: nobody has its id any more. */
async function leaveConversation() {
  questions.drop();
  const left = [session.get(), conversation.talk.left].filter(Boolean);
  await conversation.clear();
  for (const id of left) await server.revoke(id).catch(() => conversation.connection.check());
}

/** The focus stays in the panel until it is closed. */
function holdFocus(event) {
  const all = [...document.querySelectorAll(FOCUSABLE)]
    .filter((one) => !one.disabled && one.checkVisibility());
  const [from, to] = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]];
  if (document.activeElement !== from && document.activeElement !== document.body) return;
  event.preventDefault();
  to.focus();
}

find("close").addEventListener("click", () => host.close());
find("new").addEventListener("click", () => {
  questions.drop();
  conversation.startAnew();
  conversation.focus();
});
document.addEventListener("keydown", (event) => {
  patience.hurry();
  if (isComposed(event)) return;
  if (event.key === "Escape") host.close();
  if (event.key === "Tab") holdFocus(event);
});
document.addEventListener("pointerdown", () => patience.hurry());
host.listen(hear);
host.ready();
if (parent === window) acts.settings({});
if (parent === window) show(true);
