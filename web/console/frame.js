/**
 * What stands around the console's tabs: their names, who is signed in, language, colours, alerts.
 *
 * A tab is a module of this folder with `open(root, server, words, alerts, unsent)` that gives
 * `{close()}`; it is loaded when it is first chosen. The rule that must not break: one tab is open
 * at a time, and it is closed before another takes its place.
 */
import { build } from "../elements.js";
import { CONSOLE_ICONS } from "./icons.js";
import { Kept } from "../storage.js";
import { Alerts } from "./alerts.js";
import { attempt, chip, describeRefusal, press, sayOf } from "./parts.js";

const TABS = Object.freeze(["conversations", "learning", "insight", "settings"]);
const LOADERS = Object.freeze({
  conversations: () => import("./conversations.js"),
  learning: () => import("./learning.js"),
  insight: () => import("./insight.js"),
  settings: () => import("./settings.js"),
});
const THEMES = Object.freeze(["auto", "light", "dark"]);
/** Fires `language` when the other one is wished for. */
export class Frame extends EventTarget {
  #root;
  #server;
  #words;
  #unsent;
  #theme = new Kept("theme");
  #alerts;
  #links = new Map();
  #place;
  #notice;
  #open = null;
  #turn = 0;
  #leaving = new AbortController();

  /** `unsent` is what this account typed and did not send, by the conversation's id. */
  constructor(root, server, words, unsent) {
    super();
    [this.#root, this.#server, this.#words, this.#unsent] = [root, server, words, unsent];
    this.#alerts = new Alerts(words);
    this.#build();
    const { signal } = this.#leaving;
    addEventListener("hashchange", () => this.#go(), { signal });
    server.addEventListener("lost", () => this.#tellLost(true), { signal });
    server.addEventListener("back", () => this.#tellLost(false), { signal });
    this.#go();
  }

  close() {
    this.#leaving.abort();
    this.#turn += 1;
    this.#open?.close();
    this.#alerts.close();
    this.#root.replaceChildren();
  }

  #build() {
    const words = this.#words;
    const tabs = TABS.map((name) => {
      const link = build("a", { class: "tab", href: `#${name}` }, words.say(`tab_${name}`));
      this.#links.set(name, link);
      return build("li", {}, link);
    });
    this.#place = build("main", { id: "main", tabindex: "-1" });
    this.#notice = build("p", { class: "lost", role: "status" });
    this.#root.replaceChildren(
      build("a", { class: "skip", href: "#main" }, words.say("skipToMain")),
      build("header", { class: "console-top" },
        build("h1", { class: "unseen" }, words.say("consoleTitle")),
        build("div", { class: "console-brand" },
          build("img", { class: "console-mark", src: "/web/icon.svg", alt: "" }),
          build("p", { "aria-hidden": "true" }, words.say("consoleTitle"))),
        build("nav", { "aria-label": words.say("tabs") }, build("ul", { class: "tabs" }, ...tabs)),
        build("div", { class: "console-tools" },
          this.#alerts.buildButtons(),
          press(words.say("language"), () => this.dispatchEvent(new Event("language")), {
            kind: "tool", "aria-label": words.say("languageLabel"), lang: words.say("languageLabelCode"),
          }),
          this.#buildTheme(),
          this.#buildAccount())),
      this.#notice, this.#place);
    this.#root.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault();
      this.#place.focus();
    });
  }

  #buildTheme() {
    const name = () => sayOf(this.#words, "theme", this.#theme.get() ?? "auto");
    const button = press(name(), () => {
      const next = THEMES[(THEMES.indexOf(this.#theme.get() ?? "auto") + 1) % THEMES.length];
      this.#theme.set(next);
      document.documentElement.dataset.theme = next;
      button.querySelector("span").textContent = name();
    }, { kind: "tool", icon: CONSOLE_ICONS.theme });
    return button;
  }

  #buildAccount() {
    const { account, role } = this.#server;
    const leave = press(this.#words.say("signOut"), () =>
      attempt(leave, () => this.#server.signOut(), (error) => this.#tellStillIn(error)),
    { kind: "tool", icon: CONSOLE_ICONS.leave });
    return build("div", { class: "account" },
      build("span", { class: "account-name", dir: "auto" }, account),
      chip(sayOf(this.#words, "role", role)), leave);
  }

  /** To the tab that the address names. */
  async #go() {
    const wished = location.hash.slice(1);
    const name = TABS.includes(wished) ? wished : TABS[0];
    const turn = (this.#turn += 1);
    for (const [each, link] of this.#links) {
      if (each === name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.#open?.close();
    this.#open = null;
    this.#place.replaceChildren(build("p", { class: "empty" }, this.#words.say("loading")));
    const tab = await LOADERS[name]().catch(() => null);
    if (turn !== this.#turn) return;
    this.#place.replaceChildren();
    if (tab) this.#open = tab.open(this.#place, this.#server, this.#words, this.#alerts, this.#unsent);
    else this.#place.append(build("p", { class: "empty" }, this.#words.say("tabMissing")));
  }

  #tellStillIn(error) {
    const reason = describeRefusal(this.#words, error);
    this.#notice.textContent = this.#words.say("stillSignedIn", { reason });
  }

  #tellLost(isLost) {
    this.#notice.textContent = isLost ? this.#words.say("connectionLost") : "";
  }
}
