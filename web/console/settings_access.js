/**
 * Accounts and keys in the settings tab, for owners.
 *
 * It decides nothing about what a role may do. The rule that must not break: a password leaves its
 * field as soon as it was sent, and a key is shown once.
 */
import { build } from "../elements.js";
import { attempt, chip, choose, describeRefusal, describeTime, field, press } from "./parts.js";

const ROLES = Object.freeze(["operator", "viewer", "owner"]);
const SCOPES = Object.freeze(["chat", "v1", "knowledge", "metrics", "admin"]);
const ACCOUNTS = "/console/settings/accounts";
const KEYS = "/console/settings/keys";

export function buildAccounts(tools) {
  const { server, words } = tools;
  const [list, act] = begin(tools, async () => {
    const { accounts } = await server.get(ACCOUNTS);
    return accounts.map((one) => {
      const remove = press(words.say("accountRemove"), () => act(remove, () => server.delete(`${ACCOUNTS}/${encodeURIComponent(one.name)}`)), {
        "aria-label": `${words.say("accountRemove")}: ${one.name}`,
      });
      return build("li", { class: "receiver" },
        build("strong", { dir: "auto" }, one.name), chip(words.say(`role_${one.role}`)),
        one.name === server.account ? "" : remove);
    });
  });
  const name = build("input", { id: "account-name", maxlength: "64", autocomplete: "off" });
  const password = build("input", { id: "account-password", type: "password", autocomplete: "new-password" });
  let role = ROLES[0];
  const choice = choose("account-role", ROLES.map((each) => [each, words.say(`role_${each}`)]), role, (value) => { role = value; });
  const button = press(words.say("accountKeep"), () => act(button, async () => {
    const body = { name: name.value, role, password: password.value };
    password.value = "";
    await server.post(ACCOUNTS, body);
    name.value = "";
  }));
  const element = build("div", {}, build("p", { class: "hint" }, words.say("accountsHint")), list,
    build("h3", {}, words.say("accountNew")),
    build("div", { class: "fields" },
      field(words.say("accountsName"), name), field(words.say("accountRole"), choice), field(words.say("accountPassword"), password)),
    button);
  return { element, close() {} };
}

export function buildKeys(tools) {
  const { server, words } = tools;
  const [list, act] = begin(tools, async () => {
    const { keys } = await server.get(KEYS);
    return keys.map((one) => {
      const revoke = press(words.say("keyRevoke"), () => act(revoke, () => server.delete(`${KEYS}/${one.id}`)), {
        "aria-label": `${words.say("keyRevoke")}: ${one.name}`,
      });
      const ends = one.expires_ms ? words.say("keyEnds", { time: describeTime(one.expires_ms, words) }) : "";
      const used = one.used_ms ? words.say("keyUsed", { time: describeTime(one.used_ms, words) }) : words.say("keyUnused");
      return build("li", { class: "receiver" },
        build("strong", { dir: "auto" }, one.name), ...one.scopes.map((scope) => chip(scope)),
        build("span", { class: "hint" }, [one.id, used, ends].filter(Boolean).join(" · ")),
        one.revoked_ms ? chip(words.say("keyRevoked"), "bad") : revoke);
    });
  });
  const name = build("input", { id: "key-name", maxlength: "80", autocomplete: "off" });
  const days = build("input", { id: "key-days", type: "number", min: "0", max: "3650", value: "0" });
  const boxes = SCOPES.map((scope) => build("input", { type: "checkbox", value: scope }));
  const shown = build("p", { class: "secret", role: "status" });
  const button = press(words.say("keyMake"), () => act(button, async () => {
    const scopes = boxes.filter((box) => box.checked).map((box) => box.value);
    const { key } = await server.post(KEYS, { name: name.value, scopes, days: Number(days.value) });
    shown.replaceChildren(words.say("keyShown"), " ", build("code", {}, key));
  }));
  const element = build("div", {}, build("p", { class: "hint" }, words.say("keysHint")), list,
    build("h3", {}, words.say("keyNew")),
    build("div", { class: "fields" }, field(words.say("keyName"), name), field(words.say("keyDays"), days)),
    build("fieldset", {}, build("legend", {}, words.say("keyScopes")),
      ...boxes.map((box, place) => build("label", { class: "check" }, box, SCOPES[place]))),
    button, shown);
  return { element, close() {} };
}

/** A list that `read` fills, and a way to do something and fill it anew. */
function begin({ words, tell }, read) {
  const list = build("ul", { class: "receivers" });
  const fail = (error) => tell(
    ["invalid_field", "publish_refused"].includes(error.code) ? error.message : describeRefusal(words, error), true);
  const refresh = async () => list.replaceChildren(...await read());
  const act = (button, call) => attempt(button, async () => {
    await call();
    await refresh();
    tell(words.say("settingsDone"));
  }, fail);
  refresh().catch(fail);
  return [list, act];
}
