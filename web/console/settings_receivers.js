/**
 * Who else is told, in the settings tab: receivers, a form for a new one, the log of deliveries.
 *
 * It sends nothing to anybody. The rule that must not break: a secret is shown once, where it was
 * made, and stands nowhere else on the page.
 */
import { build } from "../elements.js";
import { attempt, chip, choose, describeRefusal, describeTime, field, nameOf, press } from "./parts.js";

const EVENTS = Object.freeze([
  "conversation.started", "conversation.waiting", "conversation.handed_over", "conversation.closed",
  "feedback", "ticket",
]);
const KINDS = Object.freeze(["events", "chat", "mail"]);
const MAIL = Object.freeze([
  ["host", "text"], ["port", "number"], ["user", "text"], ["password", "password"], ["sender", "email"], ["recipient", "email"],
]);
const PORT = "465";
const PAUSE_MS = 10_000;

export function buildReceivers({ server, words, tell }) {
  const isOwner = server.role === "owner";
  const list = build("ul", { class: "receivers" });
  const log = build("tbody");
  const fail = (error) => tell(describeRefusal(words, error), true);

  const refresh = async () => {
    const [{ webhooks }, { deliveries }] = await Promise.all([
      server.get("/console/webhooks"), server.get("/console/deliveries"),
    ]);
    list.replaceChildren(...webhooks.map(showReceiver));
    if (!webhooks.length) list.append(build("li", { class: "hint" }, words.say("receiversNone")));
    log.replaceChildren(...deliveries.map(showDelivery));
  };

  function showReceiver(one) {
    const test = press(words.say("receiverTest"), () => act(test, () => server.post(`/console/webhooks/${one.id}/test`), "receiverTested"));
    const remove = press(words.say("receiverRemove"), () => act(remove, () => server.delete(`/console/webhooks/${one.id}`), "receiverRemoved"));
    return build("li", { class: "receiver" },
      build("strong", { dir: "auto" }, one.name), chip(words.say(`receiver_${one.kind}`)),
      build("span", { class: "hint" }, `${one.host} · ${one.events.map((event) => words.say(`event_${event}`)).join(", ")}`),
      isOwner ? build("span", { class: "row" }, test, remove) : "");
  }

  function showDelivery(one) {
    const again = press(words.say("deliveryRetry"), () => act(again, () => server.post(`/console/deliveries/${one.id}/retry`), "deliveryRetried"));
    const mayRetry = one.state === "failed" && server.role !== "viewer";
    return build("tr", {},
      build("td", {}, describeTime(one.at_ms, words)),
      build("th", { scope: "row", dir: "auto" }, one.webhook),
      build("td", {}, words.say(`event_${one.event}`)),
      build("td", {}, one.conversation ? nameOf(one.conversation) : "–"),
      build("td", {}, chip(words.say(`delivery_${one.state}`), one.state === "failed" ? "bad" : "")),
      build("td", {}, String(one.attempts)),
      build("td", {}, one.fault || String(one.status ?? ""), mayRetry ? again : ""));
  }

  function act(button, call, said) {
    return attempt(button, async () => {
      await call();
      await refresh();
      tell(words.say(said));
    }, fail);
  }

  const timer = setInterval(() => refresh().catch(fail), PAUSE_MS);
  refresh().catch(fail);
  const heads = ["deliveryWhen", "deliveryTo", "deliveryEvent", "deliveryOf", "deliveryState", "deliveryTries", "deliveryFault"];
  const element = build("div", { class: "receivers-part" },
    build("p", { class: "hint" }, words.say("receiversHint")), list,
    isOwner ? buildForm(server, words, tell, refresh, fail) : "",
    build("h3", { id: "deliveries-title" }, words.say("deliveries")),
    build("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "deliveries-title" },
      build("table", {},
        build("thead", {}, build("tr", {}, ...heads.map((key) => build("th", { scope: "col" }, words.say(key))))),
        log)));
  return { element, close: () => clearInterval(timer) };
}

function buildForm(server, words, tell, refresh, fail) {
  const name = build("input", { id: "receiver-name", maxlength: "80", required: true });
  const url = build("input", { id: "receiver-url", type: "url", maxlength: "1000" });
  const style = choose("receiver-style", [["text", words.say("style_text")], ["msgtype", words.say("style_msgtype")]], "text", () => {});
  const security = choose("receiver-security", ["tls", "starttls", "none"].map((each) => [each, each]), "tls", () => {});
  const mail = MAIL.map(([key, type]) => [key, build("input", {
    id: `receiver-${key}`, type, autocomplete: "off", value: key === "port" ? PORT : null,
  })]);
  const forUrl = build("div", { class: "fields" }, field(words.say("receiverUrl"), url));
  const forChat = build("div", { class: "fields", hidden: true }, field(words.say("receiverStyle"), style));
  const forMail = build("div", { class: "fields", hidden: true },
    ...mail.map(([key, input]) => field(words.say(`mail_${key}`), input)), field(words.say("mail_security"), security));
  let chosen = KINDS[0];
  const kind = choose("receiver-kind", KINDS.map((each) => [each, words.say(`receiver_${each}`)]), chosen, (value) => {
    chosen = value;
    [forUrl.hidden, forChat.hidden, forMail.hidden] = [value === "mail", value !== "chat", value !== "mail"];
  });
  const boxes = EVENTS.map((event) => build("input", { type: "checkbox", value: event, checked: event === "conversation.waiting" }));
  const secret = build("p", { class: "secret", role: "status" });
  const button = press(words.say("receiverAdd"), () => attempt(button, async () => {
    const body = { name: name.value, kind: chosen, events: boxes.filter((box) => box.checked).map((box) => box.value) };
    if (chosen === "mail") {
      for (const [key, input] of mail) body[key] = key === "port" ? Number(input.value) : input.value;
      body.security = security.value;
    } else {
      body.url = url.value;
      if (chosen === "chat") body.style = style.value;
    }
    const added = await server.post("/console/webhooks", body);
    secret.replaceChildren(...(added.secret ? [words.say("receiverSecret"), " ", build("code", {}, added.secret)] : []));
    await refresh();
    tell(words.say("receiverAdded"));
  }, (error) => (error.code === "invalid_field" ? tell(error.message, true) : fail(error))));
  return build("details", { class: "add" },
    build("summary", {}, words.say("receiverNew")),
    build("div", { class: "fields" }, field(words.say("receiverName"), name), field(words.say("receiverKind"), kind)),
    forUrl, forChat, forMail,
    build("fieldset", {}, build("legend", {}, words.say("receiverEvents")),
      ...boxes.map((box, place) => build("label", { class: "check" }, box, words.say(`event_${EVENTS[place]}`)))),
    button, secret);
}
