/**
 * The kiosk's page: an attract screen, one visitor's conversation, and nothing left of it after.
 *
 * Whether somebody is there is decided in kiosk_idle.js, the conversation is component.js's. The rule
 * that must not break: when a visit ends, nothing of it is on the page, in the browser's storage or
 * open at the appliance; if that cannot be reached, it is told as soon as it can.
 */
import { mount } from "./component.js";
import { NOBODY, countSeconds, step } from "./kiosk_idle.js";
import { lock } from "./kiosk_lock.js";
import { readAddress } from "./kiosk_settings.js";
import { Visits } from "./kiosk_visits.js";
import { KIOSK } from "./kiosk_words.js";
import { label } from "./language.js";
import { takeKey } from "./page_key.js";
import * as server from "./server.js";
import { Words } from "./words.js";

const TICK_MS = 500;
const TOUCHES = ["pointerdown", "keydown", "wheel", "input"];

const find = (id) => document.getElementById(id);
const options = readAddress(location.search);
const visits = new Visits(server.revoke);

let state = NOBODY;
let words = speak(options.language);
let conversation = null;
let version = null;
let speech = null;

function speak(language) {
  return new Words(language).with(KIOSK);
}

/** What is typed is kept by the field alone. */
function createDraft() {
  return { get: () => null, set: () => {} };
}

function welcome() {
  words = speak(options.language);
  conversation = mount(find("root"), {
    words, session: visits, draft: createDraft(), starters: options.questions ?? undefined,
  });
  conversation.addEventListener("serverchange", showServer);
  if (options.isAloud || options.isDictated) equip(conversation);
  showWords();
}

async function equip(mine) {
  const { SpeechButtons } = await import("./speech_buttons.js");
  if (mine === conversation) speech = new SpeechButtons(conversation, options);
}

/** The visit is over: the page is as new, and the appliance hears that it is. */
function wipe() {
  const { connection } = conversation;
  visits.end(connection);
  speech?.leave();
  speech = null;
  conversation.leave();
  conversation.remove();
  sessionStorage.clear();
  welcome();
  happen("wiped");
}

function happen(type) {
  const before = state.phase;
  const isAnswering = conversation.isAnswering || Boolean(speech?.isReading);
  state = step(state, { type, nowMs: performance.now(), isAnswering }, options);
  if (state.phase !== before) showPhase(before);
  if (state.phase === "asking") showSeconds();
  if (state.phase === "wiping") wipe();
}

function showPhase(before) {
  const isAttract = state.phase === "attract";
  document.body.dataset.phase = state.phase;
  find("attract").hidden = !isAttract;
  find("stage").inert = isAttract;
  if (state.phase === "asking") find("still").showModal();
  else find("still").close();
  if (isAttract) renew();
  else if (before === "attract") find("end").focus();
}

function showSeconds() {
  const seconds = countSeconds(state, performance.now());
  find("still-more").textContent = words.say("kioskStillMore", { seconds });
}

function showWords() {
  document.documentElement.lang = words.say("languageCode");
  label(document, words);
  conversation.speak(words);
  const other = speak(words.other);
  find("hello").textContent = words.say("kioskHello");
  find("begin").textContent = words.say("kioskBegin");
  find("begin-other").textContent = other.say("kioskBeginHere");
  find("begin-other").lang = other.say("languageCode");
  showServer();
}

function showServer() {
  if (!conversation) return;
  find("off").textContent = conversation.connection.isLost ? words.say("kioskOff") : "";
  renew();
}

/** An appliance that came back newer than it went has newer pages too. */
function renew() {
  const now = conversation.readiness.current?.version ?? null;
  if (version !== null && now !== null && now !== version && state.phase === "attract") {
    location.reload();
  }
  version ??= now;
}

function switchLanguage() {
  words = speak(words.other);
  showWords();
}

lock(document);
takeKey();
document.documentElement.dataset.theme = options.theme;
welcome();
find("attract").addEventListener("click", ({ target }) => {
  if (target.closest("#begin-other")) switchLanguage();
  happen("touched");
});
for (const type of TOUCHES) {
  document.addEventListener(type, () => state.phase === "talking" && happen("touched"), {
    capture: true, passive: true,
  });
}
find("language").addEventListener("click", switchLanguage);
find("end").addEventListener("click", () => happen("ended"));
find("end-now").addEventListener("click", () => happen("ended"));
find("here").addEventListener("click", () => happen("touched"));
find("still").addEventListener("cancel", (event) => {
  event.preventDefault();
  happen("touched");
});
setInterval(() => happen("passed"), TICK_MS);
