/**
 * What the page around the widget is told: that something was asked, answered, failed, handed over.
 *
 * It is a pure function of two states. The rule that must not break: no word of a conversation
 * and no id of it ever stands in what is told.
 */
import { findTurn, listShown } from "./shown.js";

/** The news between two states of a talk, as {name, detail}, in their order. */
export function listNews(before, after) {
  const news = [];
  if (!before.pending && after.pending) news.push({ name: "asked", detail: {} });
  if (findTurn(before) && !findTurn(after)) news.push(...readEnd(after));
  if (before.handoff !== after.handoff) {
    news.push({ name: "handoff", detail: { state: after.handoff } });
  }
  return news;
}

function readEnd(state) {
  const last = listShown(state).at(-1);
  if (!last) return [];
  if (last.error) return [{ name: "failed", detail: { code: last.error.code } }];
  const { source, isOfficial } = last.origin;
  return [{ name: "answered", detail: { source, isOfficial, finishReason: last.finishReason } }];
}
