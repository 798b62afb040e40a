/**
 * A conversation as a file to keep: as text to be read, as JSON for programs.
 *
 * It holds no texts. The rules that must not break: every answer keeps its label, and the id that
 * opens the conversation is in neither file.
 */
import { readOrigin } from "./origin.js";
import { describeLabel, describeRung } from "./origin_phrases.js";
import { describeEnding, describeError } from "./phrases.js";

export function writeText({ messages }, words) {
  const blocks = messages.map((message) => writeMessage(message, words));
  return `${[words.say("exportTitle"), ...blocks].join("\n\n")}\n`;
}

export function writeJson({ messages }) {
  return `${JSON.stringify({ messages }, null, 2)}\n`;
}

/** Hands the browser a file of that name. */
export function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href));
}

function writeMessage(message, words) {
  const isQuestion = message.role === "customer";
  const origin = readOrigin(message);
  const about = [formatTime(message.created_ms, words)];
  if (!isQuestion) {
    about.push(describeLabel(words, origin), describeRung(words, { origin, totalMs: null }));
  }
  const speaker = words.say(isQuestion ? "exportYou" : "name");
  const lines = [`${speaker} (${about.filter(Boolean).join(" · ")})`];
  if (message.text) lines.push(message.text);
  if (message.error) lines.push(`[${describeError(words, message)}]`);
  const ending = describeEnding(words, { finishReason: message.finish_reason });
  if (ending) lines.push(`[${ending}]`);
  for (const { title, href } of origin.sources) {
    lines.push(`${words.say("sources")}: ${[title, href].filter(Boolean).join(" ")}`);
  }
  return lines.join("\n");
}

export function formatTime(ms, words) {
  return new Intl.DateTimeFormat(words.say("languageCode"), {
    dateStyle: "medium", timeStyle: "short",
  }).format(ms);
}
