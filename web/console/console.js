/**
 * The console's page: signing in, and behind it the frame with its tabs.
 *
 * It knows no conversation. The rules that must not break: nothing of the shop stands on the page
 * before somebody has signed in, and all of it is gone from it as soon as the session has ended.
 */
import { Kept } from "../storage.js";
import { Words, chooseLanguage } from "../words.js";
import { Frame } from "./frame.js";
import { ConsoleServer } from "./server.js";
import { SignIn } from "./sign_in.js";
import { Unsent } from "./unsent.js";
import { CONSOLE_WORDS } from "./words.js";

const root = document.getElementById("console");
const language = new Kept("language");
const server = new ConsoleServer();
const unsent = new Unsent();
let words = new Words(chooseLanguage(language.get(), navigator.languages)).with(CONSOLE_WORDS);
let shown = null;

function show(part) {
  shown?.close();
  root.replaceChildren();
  document.documentElement.lang = words.say("languageCode");
  document.title = words.say("consoleTitle");
  shown = part();
  shown.addEventListener("language", () => {
    words = new Words(words.other).with(CONSOLE_WORDS);
    language.set(words.language);
    show(part);
  });
}

function showFrame() {
  show(() => new Frame(root, server, words, unsent.of(server.account)));
}

function showSignIn(said = "") {
  show(() => {
    const form = new SignIn(root, server, words, said);
    form.addEventListener("in", showFrame);
    return form;
  });
}

server.addEventListener("out", () => showSignIn("signedOut"));

server
  .resume()
  .then(showFrame)
  .catch((error) => showSignIn(error.status === 401 ? "" : error.code));
