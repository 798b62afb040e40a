/**
 * What a conversation's state means for the page: the messages to show, the turn to wait for.
 *
 * It changes nothing. The rule that must not break: the customer's question stands on the page
 * exactly once, whether the server has told of it already or not.
 */
import { dropFailed, findFailedTurn, say } from "./conversation.js";

/** A person answers instead: the bot has said nothing, and nothing is shown of it. */
const HANDED_OVER = "handed_over";

/** The messages in order, each with `turn` where its answer is still awaited, else null. */
export function listShown(state) {
  const { messages, pending, turn } = state;
  const stored = (isVisible(pending) ? dropFailed(messages, pending.text) : messages)
    .filter((it) => it.text || it.finishReason !== HANDED_OVER)
    .map((it) => ({ ...it, turn: isAwaited(it, turn) ? mark(state, turn) : null }));
  if (!isVisible(pending)) return stored;
  const { text, error } = pending;
  const question = { ...say("customer", null), text, error, turn: null };
  if (error) return [...stored, question];
  return [...stored, question, { ...say("assistant", null), turn: mark(state, pending) }];
}

/** What the customer waits for: their own question, else the answer under way, else null. */
export function findTurn(state) {
  const own = state.pending?.error ? null : state.pending;
  const turn = own && !own.isMaybeThere ? own : (state.turn ?? own);
  return turn && mark(state, turn);
}

/** Whether both are in the middle of saying the same answer: then only its words may be others. */
export function isGrowth(before, after) {
  const [one, other] = [findTurn(before), findTurn(after)];
  return one?.phase === "speaking" && other?.phase === "speaking" && one.runId === other.runId;
}

/** The question that can be asked again, as {text, clientId}: the last one, where it failed. */
export function findFailed(state) {
  if (findTurn(state)) return null;
  if (isVisible(state.pending)) return state.pending;
  const failed = findFailedTurn(state.messages);
  return failed && { text: failed[0].text, clientId: null };
}

/** What would be lost if the page closed now, or "". */
export function findUnsent({ pending }) {
  const isKept = pending && pending.eventId === null && (!pending.error || isVisible(pending));
  return isKept ? pending.text : "";
}

function isAwaited({ role, runId }, turn) {
  return role === "assistant" && runId === turn?.runId;
}

function isVisible(pending) {
  return pending !== null && !pending.isMaybeThere;
}

/** While the stream is cut, nobody knows how far the answer is. */
function mark(state, turn) {
  return state.isCut ? { ...turn, phase: "recovering" } : turn;
}
