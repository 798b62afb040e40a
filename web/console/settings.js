/**
 * The console's settings tab: the shop's files, the appliance's settings, tools, who else is told,
 * accounts, keys and the history.
 *
 * It holds no setting; each part asks the server. The rule that must not break: a part that the
 * operator's role may not see is not offered, whatever the server would say to it.
 */
import { build } from "../elements.js";
import { press } from "./parts.js";
import { buildAccounts, buildKeys } from "./settings_access.js";
import { ShopFiles } from "./settings_files.js";
import { buildHistory } from "./settings_history.js";
import { HISTORY } from "./settings_history_words.js";
import { buildReceivers } from "./settings_receivers.js";
import { ShopTools } from "./settings_tools.js";
import { TOOLS } from "./settings_tools_words.js";
import { SETTINGS } from "./settings_words.js";

const STYLE = "/web/console/settings.css";
const OWNER = "owner";
const PARTS = Object.freeze([
  { name: "partFiles", open: (tools) => new ShopFiles(tools) },
  { name: "partValues", open: (tools) => new ShopFiles(tools, true), isOwners: true },
  { name: "partTools", open: (tools) => new ShopTools(tools), isOwners: true },
  { name: "partReceivers", open: buildReceivers },
  { name: "partAccounts", open: buildAccounts, isOwners: true },
  { name: "partKeys", open: buildKeys, isOwners: true },
  { name: "partHistory", open: buildHistory, isOwners: true },
]);

/** Fills `root`; `close` ends what it began. */
export function open(root, server, words) {
  const tab = new Settings(root, server, words.with(SETTINGS).with(TOOLS).with(HISTORY));
  return { close: () => tab.close() };
}

class Settings {
  #server;
  #words;
  #place = build("div", { class: "settings-part" });
  #said = build("p", { class: "settings-said", role: "status" });
  #buttons = new Map();
  #open = null;

  constructor(root, server, words) {
    [this.#server, this.#words] = [server, words];
    const parts = PARTS.filter(({ isOwners }) => !isOwners || server.role === OWNER);
    const bar = parts.map((part) => {
      const button = press(words.say(part.name), () => this.#show(part));
      this.#buttons.set(part, button);
      return button;
    });
    root.replaceChildren(
      build("link", { rel: "stylesheet", href: STYLE }),
      build("div", { class: "settings" },
        build("h2", {}, words.say("settingsTitle")),
        build("div", { class: "settings-bar", role: "group", "aria-label": words.say("settingsTitle") }, ...bar),
        this.#said, this.#place));
    this.#show(parts[0]);
  }

  close() {
    this.#open?.close();
    this.#open = null;
  }

  #show(part) {
    this.close();
    this.#tell("");
    for (const [each, button] of this.#buttons) button.setAttribute("aria-pressed", String(each === part));
    this.#open = part.open({
      server: this.#server,
      words: this.#words,
      tell: (text, isBad = false) => this.#tell(text, isBad),
    });
    this.#place.replaceChildren(this.#open.element);
  }

  #tell(text, isBad = false) {
    this.#said.classList.toggle("bad", isBad);
    this.#said.textContent = text;
  }
}
