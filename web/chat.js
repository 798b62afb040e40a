/**
 * The chat page: the conversation, and around it language, theme and the box about the appliance.
 *
 * It holds no logic of the conversation (component.js has it) and no texts (words.js). The rule
 * that must not break: the page's address never holds a conversation's id.
 */
import { About } from "./about.js";
import { mount } from "./component.js";
import { label } from "./language.js";
import { Kept } from "./storage.js";
import { Words, chooseLanguage } from "./words.js";

const find = (id) => document.getElementById(id);

const language = new Kept("language");
const theme = new Kept("theme");

let words = new Words(chooseLanguage(language.get(), navigator.languages));
const about = new About();
const conversation = mount(find("conversation"), {
  words, session: new Kept("session"), draft: new Kept("draft", () => sessionStorage),
});

function showLanguage() {
  document.documentElement.lang = words.say("languageCode");
  document.title = words.say("title");
  for (const part of document.querySelectorAll(".skip, .top, dialog")) label(part, words);
  conversation.speak(words);
}

function showServer() {
  about.show(conversation.connection.isLost ? null : conversation.readiness.current, words);
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

conversation.addEventListener("change", () => (find("new").disabled = conversation.isEmpty));
conversation.addEventListener("serverchange", showServer);
find("language").addEventListener("click", switchLanguage);
find("open-about").addEventListener("click", () => {
  about.open();
  conversation.readiness.watch();
});
find("new").addEventListener("click", () => {
  conversation.startAnew();
  conversation.focus();
});
find("themes").addEventListener("change", ({ target }) => {
  theme.set(target.value);
  showTheme();
});

showTheme();
showLanguage();
