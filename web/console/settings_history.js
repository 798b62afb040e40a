/**
 * The history in the settings tab, for owners: what was changed beside the files, put back by a press.
 *
 * It decides nothing; the server says what can be put back. The rule that must not break: what was
 * written gets in as text, and where a press puts nothing back the row says what to do instead.
 */
import { build } from "../elements.js";
import { attempt, describeTime, press } from "./parts.js";
import { tellRefusal } from "./settings_check.js";

const CHANGES = "/console/settings/changes";
const COLUMNS = Object.freeze(["versionWhen", "versionWho", "changeWhat", "changeBefore", "changeAfter", "versionActs"]);

export function buildHistory({ server, words, tell }) {
  const body = build("tbody");
  const fail = (error) => tell(tellRefusal(words, error), true);

  const refresh = async () => {
    const { changes } = await server.get(CHANGES);
    body.replaceChildren(...changes.map(showChange));
    if (!changes.length) body.append(build("tr", {}, build("td", { colspan: String(COLUMNS.length) }, words.say("changesNone"))));
  };

  function showChange(one) {
    const what = `${words.say(`change_${one.kind}_${one.act}`)}${one.name ? `: ${one.name}` : ""}`;
    return build("tr", {},
      build("th", { scope: "row" }, describeTime(one.at_ms, words)),
      build("td", { dir: "auto" }, one.account),
      build("td", { dir: "auto" }, what),
      build("td", {}, ...showState(one.before)),
      build("td", {}, ...showState(one.after)),
      build("td", {}, showAct(one, what)));
  }

  function showState(state) {
    return Object.entries(state).map(([key, value]) =>
      build("div", { dir: "auto" }, key === "role" ? words.say(`role_${value}`) : `${key}: ${value}`));
  }

  function showAct({ number, kind, act, can_undo: canUndo, is_readable: isReadable }, what) {
    if (!isReadable) return words.say("changeUnread");
    if (!canUndo) return words.say(`instead_${kind}_${act}`);
    const button = press(words.say("changeBack"), () => attempt(button, async () => {
      await server.post(`${CHANGES}/${number}/undo`);
      await refresh();
      tell(words.say("settingsDone"));
    }, fail), { "aria-label": `${words.say("changeBack")}: ${what}` });
    return button;
  }

  refresh().catch(fail);
  const element = build("div", {}, build("p", { class: "hint", id: "changes-hint" }, words.say("changesHint")),
    build("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "changes-hint" },
      build("table", {},
        build("thead", {}, build("tr", {}, ...COLUMNS.map((key) => build("th", { scope: "col" }, words.say(key))))),
        body)));
  return { element, close() {} };
}
