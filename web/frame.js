/**
 * The markup of the conversation: banners, welcome, messages, the field for the question.
 *
 * It joins nothing and holds no texts; `data-words` says which belong where. The rule that must
 * not break: every control has a name for those who do not see it.
 */
import { ICONS, build, button, draw } from "./elements.js";

/** As the server knows them, and the words of each. */
const REASONS = [
  ["wrong", "reasonWrong"], ["off_topic", "reasonOffTopic"], ["unclear", "reasonUnclear"],
  ["other", "reasonOther"],
];

/** The parts of the conversation, in their order. */
export function buildFrame() {
  return [buildBanner(), buildMiddle(), buildBottom(), buildStatus()];
}

function buildBanner() {
  const words = build("p", {},
    build("span", { id: "banner-text" }), " ",
    build("span", { class: "reason", id: "banner-reason", lang: "en" }));
  return build("section",
    { class: "banner", id: "banner", "data-words-label": "bannerName", hidden: true },
    draw(ICONS.alert), words);
}

function buildMiddle() {
  const welcome = build("section", { class: "welcome", id: "welcome", hidden: true },
    build("h2", { id: "greeting" }),
    build("p", { "data-words": "greetingMore" }),
    build("div", { class: "starters", role: "group", "data-words-label": "starters" }),
    button("back", { words: "goBack", icon: ICONS.back, id: "back", hidden: true }));
  const transcript = build("section",
    { class: "transcript", id: "transcript", "data-words-label": "conversation" });
  return build("main", { id: "main", tabindex: "-1" }, welcome, transcript);
}

function buildBottom() {
  const question = build("textarea", {
    id: "question", rows: "1", enterkeyhint: "send", autocomplete: "off",
    "data-words-placeholder": "placeholder", "aria-describedby": "count",
  });
  const form = build("form", { class: "composer", id: "composer" },
    build("label", { class: "unseen", for: "question", "data-words": "messageLabel" }),
    question,
    button("send", { name: "send", icon: ICONS.up, id: "send", type: "submit" }),
    button("send stop", { name: "stop", icon: ICONS.stop, id: "stop", hidden: true }));
  const note = build("p", {},
    build("span", { id: "count", role: "status" }),
    build("span", { id: "careful", "data-words": "careful" }));
  return build("footer", { class: "bottom" },
    button("latest", { words: "latest", icon: ICONS.down, id: "latest", hidden: true }),
    form,
    build("div", { class: "small" }, note,
      button("person", { words: "callPerson", icon: ICONS.person, id: "call-person" })));
}

function buildStatus() {
  return build("p", { class: "unseen", id: "status", role: "status" });
}

export function buildQuestion() {
  return build("article", { class: "message question" },
    build("h2", { class: "unseen", "data-words": "youSaid" }),
    build("p", { class: "bubble", dir: "auto" }),
    buildTrouble());
}

export function buildAnswer() {
  return build("article", { class: "message answer" },
    build("h2", { class: "unseen", "data-words": "answer" }),
    build("div", { class: "prose", dir: "auto" }),
    build("ul", { class: "notices", hidden: true }),
    buildTrouble(),
    build("div", { class: "confirm", role: "group", "data-words-label": "confirmName", hidden: true },
      button("confirm-yes", { words: "confirmYes" }), button("confirm-no", { words: "confirmNo" })),
    build("div", { class: "sources", hidden: true },
      build("p", { class: "sources-name", "aria-hidden": "true", "data-words": "sources" }),
      build("ul", { class: "source-list", "data-words-label": "sources" })),
    buildOrigin(),
    build("dl", { class: "facts", hidden: true }),
    buildReasons(),
    build("div", { class: "suggestions", role: "group", "data-words-label": "suggestions", hidden: true },
      build("p", { class: "suggestions-name", "aria-hidden": "true", "data-words": "suggestions" }),
      build("div", { class: "suggestion-list" })));
}

function buildTrouble() {
  return build("div", { class: "trouble", hidden: true },
    build("p"), button("retry", { words: "retry" }));
}

function buildOrigin() {
  const name = build("span", { class: "label-text" },
    build("span", { class: "badge" }), " ", build("span", { class: "rung" }));
  const label = build("button",
    { class: "label", type: "button", "aria-expanded": "false", hidden: true },
    draw(ICONS.seal, { class: "seal" }), draw(ICONS.spark, { class: "spark" }), name,
    draw(ICONS.fold, { class: "fold" }));
  const dots = build("span", { class: "dots", "aria-hidden": "true" },
    build("i"), build("i"), build("i"));
  const acts = build("span", { class: "acts", hidden: true },
    button("copy", { words: "copy", icon: ICONS.copy }),
    button("thumb", { name: "thumbUp", icon: ICONS.good, "data-verdict": "up", "aria-pressed": "false" }),
    button("thumb", { name: "thumbDown", icon: ICONS.bad, "data-verdict": "down", "aria-pressed": "false" }));
  return build("footer", { class: "origin" }, label,
    build("span", { class: "wait" }, dots, build("span", { class: "wait-words" })),
    build("span", { class: "ending" }), acts);
}

function buildReasons() {
  const choices = REASONS.map(([reason, words]) =>
    button("reason-choice", { words, "data-reason": reason, "aria-pressed": "false" }));
  return build("div", { class: "reasons", role: "group", "data-words-label": "reasons", hidden: true },
    build("p", { "aria-hidden": "true", "data-words": "reasons" }),
    build("div", { class: "reason-list" }, ...choices),
    build("p", { class: "thanks" }));
}
