/**
 * The chat page: builds its parts, hands each what it needs, and joins their events.
 *
 * It holds no logic of the conversation (talk.js) and no texts (words.js). The rule that must
 * not break: the page shows what the state says and nothing is kept only on the page.
 */
import { About } from "./about.js";
import { Composer } from "./composer.js";
import { Connection } from "./connection.js";
import { Handoff } from "./handoff.js";
import { label } from "./language.js";
import { describeError, describeTrouble, describeWait } from "./phrases.js";
import { Readiness } from "./readiness.js";
import { Scroll } from "./scroll.js";
import * as server from "./server.js";
import { findTurn, findUnsent, listShown } from "./shown.js";
import { Kept } from "./storage.js";
import { Talk } from "./talk.js";
import { Transcript } from "./transcript.js";
import { Words, chooseLanguage } from "./words.js";

const CHECK_MS = 20_000;
const COPIED_MS = 2000;

const find = (id) => document.getElementById(id);

const language = new Kept("language");
const theme = new Kept("theme");
const draft = new Kept("draft", () => sessionStorage);

let words = new Words(chooseLanguage(language.get(), navigator.languages));
const connection = new Connection(server.checkHealth);
const readiness = new Readiness(server.readReadiness, connection);
const talk = new Talk(server, connection, new Kept("session"));
const transcript = new Transcript(find("transcript"), (element) => label(element, words));
const composer = new Composer(words, draft.get() ?? "");
const scroll = new Scroll(find("main"), find("transcript"), find("latest"));
const about = new About();
const handoff = new Handoff();

function showLanguage() {
  document.documentElement.lang = words.say("languageCode");
  document.title = words.say("title");
  label(document, words);
  composer.speak(words);
  showTalk();
  showServer();
}

function showTalk() {
  const messages = listShown(talk.state);
  transcript.show(messages, words);
  composer.showTurn(findTurn(talk.state), talk.isOpening);
  find("welcome").hidden = messages.length > 0 || talk.isOpening;
  find("back").hidden = !talk.canGoBack;
  find("new").disabled = messages.length === 0;
  handoff.show(talk.state.handoff, words);
  keepDraft();
}

function showServer() {
  const trouble = describeTrouble(words, connection.isLost, readiness.current);
  find("banner").hidden = trouble === null;
  find("banner").classList.toggle("calm", Boolean(trouble?.isCalm));
  find("banner-text").textContent = trouble?.text ?? "";
  find("banner-reason").textContent = trouble?.reason ?? "";
  about.show(connection.isLost ? null : readiness.current, words);
}

function keepDraft() {
  draft.set(composer.text || findUnsent(talk.state) || null);
}

/** What a screen reader should hear: that an answer began, then the whole of it, once. */
function announce(before, state) {
  const [earlier, turn] = [findTurn(before), findTurn(state)];
  const last = listShown(state).at(-1);
  const news = [];
  if (before.handoff !== state.handoff) news.push(handoff.text);
  if (!earlier && turn) news.push(words.say("sayAnswering"));
  if (turn && turn.phase !== earlier?.phase && isWait(turn)) {
    news.push(describeWait(words, turn, last.text !== ""));
  }
  if (!turn && last && (earlier || isAddition(before, state, last))) news.push(...readEnd(last));
  const text = news.filter(Boolean).join(" ");
  if (text) say(text);
}

function isWait({ phase }) {
  return phase === "queued" || phase === "recovering";
}

/** Whether the shop's side has said something unasked, which a history that opens is not. */
function isAddition(before, state, { role }) {
  return role === "assistant" && !wasOpening && state.messages.length === before.messages.length + 1;
}

function readEnd(last) {
  if (last.error) return [describeError(words, last)];
  const { suggestions } = last.origin;
  const list = suggestions.join(words.say("listComma"));
  return [
    words.say("sayAnswered", { text: transcript.readLast() }),
    suggestions.length ? words.say("saySuggestions", { list }) : "",
  ];
}

function say(text) {
  find("status").textContent = text;
}

async function send(text) {
  if (matchMedia("(pointer: coarse)").matches) document.activeElement?.blur();
  handoff.forget();
  const asked = talk.ask(text);
  scroll.toEnd();
  await asked;
}

/** The button vanishes with the press, so the focus goes where the customer goes on. */
async function sendSuggestion(text) {
  composer.focus();
  await send(text);
}

async function callPerson({ detail: isWanted }) {
  handoff.begin();
  showTalk();
  const message = await talk.callPerson(isWanted, words.language);
  handoff.end(message);
  showTalk();
  if (message === null) say(handoff.text);
  if (document.activeElement === document.body) composer.focus();
}

async function copy({ detail: { button, text } }) {
  const name = button.querySelector("span");
  name.textContent = words.say((await write(text)) ? "copied" : "copyFailed");
  say(name.textContent);
  setTimeout(() => (name.textContent = words.say("copy")), COPIED_MS);
}

/** The clipboard needs a secure page; over plain HTTP in the LAN the old way still works. */
async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

function copyBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isCopied;
}

function switchLanguage() {
  words = new Words(words.other);
  language.set(words.language);
  showLanguage();
}

function showTheme() {
  const chosen = theme.get() ?? "auto";
  document.documentElement.dataset.theme = chosen;
  for (const radio of find("themes").elements) radio.checked = radio.value === chosen;
}

function check() {
  if (document.visibilityState === "visible") connection.check();
}

let [shown, wasOpening] = [talk.state, talk.isOpening];
talk.addEventListener("change", () => {
  showTalk();
  announce(shown, talk.state);
  [shown, wasOpening] = [talk.state, talk.isOpening];
});
connection.addEventListener("change", () => {
  showServer();
  say(find("banner-text").textContent || words.say("sayWelcomeBack"));
  if (!connection.isLost) readiness.watch();
});
talk.addEventListener("joined", () => readiness.watch());
readiness.addEventListener("change", showServer);
transcript.addEventListener("retry", () => talk.retry());
transcript.addEventListener("copy", copy);
transcript.addEventListener("suggest", ({ detail }) => sendSuggestion(detail));
handoff.addEventListener("wish", callPerson);
find("transcript").addEventListener("click", ({ target }) => {
  if (target.closest("summary, .label")) scroll.hold();
});
composer.addEventListener("send", (event) => send(event.detail));
composer.addEventListener("stop", () => talk.stop());
composer.addEventListener("input", keepDraft);
find("language").addEventListener("click", switchLanguage);
find("open-about").addEventListener("click", () => {
  about.open();
  readiness.watch();
});
find("new").addEventListener("click", () => {
  handoff.forget();
  talk.startAnew();
  composer.focus();
});
find("back").addEventListener("click", () => {
  handoff.forget();
  talk.goBack();
});
find("welcome").addEventListener("click", ({ target }) => {
  if (target.matches(".starter")) sendSuggestion(target.textContent);
});
find("themes").addEventListener("change", ({ target }) => {
  theme.set(target.value);
  showTheme();
});
document.addEventListener("visibilitychange", () => {
  talk.show(document.visibilityState === "visible");
  check();
});
addEventListener("offline", check);
setInterval(check, CHECK_MS);

showTheme();
showLanguage();
readiness.watch();
talk.show(document.visibilityState === "visible");
talk.open();
