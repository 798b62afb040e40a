/**
 * What to say where the server refuses an entry, its trial or its undoing: in the page's language.
 *
 * It asks nobody. The rule that must not break: a reason that it does not know is told in the
 * server's own sentence, and none is swallowed.
 */
import { describeRefusal } from "./parts.js";

const REASONS = Object.freeze({
  example: "refusedExample", fault: "refusedFault", nothing: "refusedNothing", gone: "refusedFileGone",
  edited: "refusedEdited", untried: "refusedUntried", illegible: "refusedIllegible",
  unwritable: "refusedUnwritable", unfit: "refusedUnfit",
});
const FIELDS = Object.freeze({
  question: "refusedQuestion", answer: "refusedAnswer", phrasings: "refusedPhrasings",
});

export function describeEntryRefusal(words, error) {
  const detail = error.detail ?? {};
  const field = error.code === "invalid_field" ? String(detail.field).split(/[.[]/)[0] : "";
  if (Object.hasOwn(FIELDS, field)) return words.say(FIELDS[field]);
  const isKnown = error.code === "publish_refused" && Object.hasOwn(REASONS, detail.reason);
  return isKnown ? words.say(REASONS[detail.reason], detail) : describeRefusal(words, error);
}
