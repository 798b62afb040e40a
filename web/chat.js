/**
 * The chat page: the conversation, and around it language, theme and two boxes: past
 * conversations, and what answers here.
 *
 * It holds no logic of the conversation (component.js has it) and no texts (words.js). The rules
 * that must not break: the page's address never holds a conversation's id, and what is behind a
 * button is loaded when it is first pressed, not before.
 */
import { mount } from "./component.js";
import { build } from "./elements.js";
import { label } from "./language.js";
import { takeKey } from "./page_key.js";
import { Past } from "./past.js";
import * as server from "./server.js";
import { Kept } from "./storage.js";
import { Words, chooseLanguage } from "./words.js";

const BOX_STYLE = "/web/about.css";

const find = (id) => document.getElementById(id);

const language = new Kept("language");
const theme = new Kept("theme");
const kept = new Kept("session");
const past = new Past();
const session = {
  get: () => kept.get(),
  set: (id) => {
    kept.set(id);
    if (id) past.add(id);
  },
};
if (kept.get()) past.add(kept.get());
takeKey();

let words = new Words(chooseLanguage(language.get(), navigator.languages));
const conversation = mount(find("conversation"), {
  words, session, draft: new Kept("draft", () => sessionStorage),
});
const boxes = new Map();
let speech = null;

function showLanguage() {
  document.documentElement.lang = words.say("languageCode");
  document.title = words.say("title");
  for (const part of document.querySelectorAll(".skip, .top")) label(part, words);
  conversation.speak(words);
}

function switchLanguage() {
  words = new Words(words.other);
  language.set(words.language);
  showLanguage();
}

/** The box that `load` makes, kept from then on; null where it cannot be loaded now. */
async function getBox(load) {
  if (!boxes.has(load)) boxes.set(load, loadStyle().then(load));
  try {
    return await boxes.get(load);
  } catch {
    boxes.delete(load);
    conversation.connection.check();
    return null;
  }
}

/** How the boxes look; what failed is tried again with the next press. */
function loadStyle() {
  if (document.querySelector(`link[href="${BOX_STYLE}"]`)) return Promise.resolve();
  const link = build("link", { rel: "stylesheet", href: BOX_STYLE });
  const loaded = new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", () => {
      link.remove();
      reject(new Error("The boxes' look was not loaded."));
    });
  });
  document.head.append(link);
  return loaded;
}

async function openPast() {
  (await getBox(loadPast))?.open(words, kept.get());
}

async function loadPast() {
  const { PastList } = await import("./past_list.js");
  const list = new PastList(document.body, server, past);
  list.addEventListener("open", ({ detail }) => conversation.open(detail));
  list.addEventListener("delete", ({ detail }) => forget(list, detail));
  return list;
}

async function forget(list, id) {
  await conversation.talk.abandon(id);
  try {
    await server.forget(id);
  } catch (error) {
    if (error.status !== server.LOST_SESSION) return list.fail();
  }
  past.drop(id);
  list.show();
}

async function openAbout() {
  const about = await getBox(loadAbout);
  if (!about) return;
  showAbout(about);
  about.open();
  conversation.readiness.watch();
}

async function loadAbout() {
  const { About } = await import("./about.js");
  const about = new About(document.body, theme.get() ?? "auto");
  about.addEventListener("theme", ({ detail }) => {
    theme.set(detail);
    document.documentElement.dataset.theme = detail;
  });
  conversation.addEventListener("serverchange", () => showAbout(about));
  return about;
}

function showAbout(about) {
  about.show(conversation.connection.isLost ? null : conversation.readiness.current, words);
}

/** Loaded once there is something to read, or where the browser may understand speech by itself. */
function equip() {
  const mayListen = isSecureContext && Boolean(globalThis.SpeechRecognition?.available);
  if (speech || (conversation.isEmpty && !mayListen)) return;
  const wishes = { isAloud: true, isDictated: true };
  speech = import("./speech_buttons.js")
    .then(({ SpeechButtons }) => new SpeechButtons(conversation, wishes))
    .catch(() => (speech = null));
}

conversation.addEventListener("change", () => {
  find("new").disabled = conversation.isEmpty;
  equip();
});
find("language").addEventListener("click", switchLanguage);
find("open-past").addEventListener("click", openPast);
find("open-about").addEventListener("click", openAbout);
find("new").addEventListener("click", () => {
  conversation.startAnew();
  conversation.focus();
  conversation.askRating();
});

showLanguage();
find("new").disabled = conversation.isEmpty;
// Painted before they could be pressed: a press that nobody hears would be lost.
document.querySelector(".tools").inert = false;
