/**
 * The state of one conversation, and how the server's events and the customer's steps change it.
 *
 * It is a pure reducer: it calls no server and touches no page; shown.js reads the state. The
 * rules that must not break: an event is taken once, told by its number, and what a customer
 * typed stays in the state until it is stored or the customer lets it go.
 *
 * A message is {role, runId, text, finishReason, totalMs, error, notices, origin, isConfirming,
 * feedback}: its origin as in origin.js, whether it asks for a yes before something is done, and
 * what the customer said of it, {verdict, reason} or null. A turn is the answer under way, {runId,
 * phase, position, etaMs, reason, tool, isStopping}; its phases are queued, thinking, looking (a
 * tool works) and speaking. `pending` is the customer's question until its
 * `message` event is taken, {text, clientId, phase, eventId, error, isStopping, isMaybeThere}; its
 * phases are sending, recovering (it may have arrived or not), waiting (behind another's turn),
 * thinking, refused. `handoff` is bot, waiting, human, or closed until the customer goes on; `told`
 * is what the server says of it: place, promise, asks_contact, name.
 */
import { UNKNOWN, readOrigin } from "./origin.js";

export const EMPTY = Object.freeze({
  messages: [], turn: null, pending: null, handoff: "bot", told: {}, taken: 0,
  isCut: false,
});

/** The state of a tool, and the rule of an answer, that asks for a yes first. */
const CONFIRM = "confirm";

export const UNANSWERED = Object.freeze({ code: "unanswered", message: "" });

/** What the server tells. */
const events = {
  message: (state, { runId, role, text, origin }) => {
    if (role !== "customer") {
      // In the middle of a turn the turn's answer is the bot's, not this.
      const own = runId === state.turn?.runId ? "" : runId;
      return addMessage(state, { ...say("assistant", own), text, origin });
    }
    const messages = [...dropFailed(state.messages, text),
      { ...say("customer", runId), text }, say("assistant", runId)];
    const [turn, pending] = [begin(runId, ""), suspect(state.pending)];
    return { ...state, messages, turn, pending, handoff: settleHandoff(state.handoff) };
  },

  queued: (state, { runId, position, etaMs, reason }) =>
    changeTurn(state, runId, { phase: "queued", position, etaMs, reason }),

  started: (state, { runId, origin }) =>
    changeAnswer(speak(state, runId, (text) => text), runId, () => ({ origin })),

  token: (state, { runId, text: growth }) => speak(state, runId, (text) => text + growth),

  tool: (state, { runId, tool, toolState }) => {
    if (toolState !== CONFIRM) return changeTurn(state, runId, { phase: "looking", tool });
    return changeAnswer(state, runId, () => ({ isConfirming: true }));
  },

  notice: (state, { runId, number, code, text }) =>
    changeAnswer(state, runId, ({ notices }) => ({ notices: [...notices, { number, code, text }] })),

  rewind: (state, { runId, after, chars }) => changeAnswer(
    speak(state, runId, (text) => [...text].slice(0, chars).join("")),
    runId,
    ({ notices }) => ({
      notices: notices.filter((notice) => notice.number <= after), isConfirming: false,
    }),
  ),

  done: (state, { runId, finishReason, totalMs, origin }) => {
    const ended = end(state, runId, { finishReason, totalMs, origin, error: null });
    return origin.rule === CONFIRM
      ? changeAnswer(ended, runId, () => ({ isConfirming: true })) : ended;
  },

  error: (state, { runId, code, message }) => end(state, runId, { error: { code, message } }),

  handoff: (state, { state: handoff, told = {} }) => ({ ...state, handoff, told }),
};

/** What the customer does and what becomes of the calls. */
const steps = {
  history: (state, { history }) => ({
    ...state,
    ...readHistory(history),
    taken: history.event_id,
  }),

  events: (state, { events: news }) => news.reduce(take, state),

  cut: (state) => ({ ...state, isCut: true }),

  joined: (state) => ({ ...state, isCut: false }),

  /** The server does not know this conversation any more: what stands here stays to be read. */
  lost: (state) => ({
    ...(state.turn ? end(state, state.turn.runId, { error: UNANSWERED }) : state),
    pending: state.pending && forgetArrival(state.pending),
    handoff: "bot",
    taken: 0,
    isCut: false,
  }),

  asked: (state, { text, clientId }) => ({
    ...state,
    pending: {
      text, clientId, phase: "sending", eventId: null, error: null, isStopping: false,
      isMaybeThere: false,
    },
  }),

  sending: (state) => changePending(state, { phase: "sending" }),

  recovering: (state) => changePending(state, { phase: "recovering" }),

  /** Another's turn runs, so ours is certainly not there. */
  waiting: (state) => changePending(state, { phase: "waiting", isMaybeThere: false }),

  accepted: (state, { eventId }) =>
    changePending(state, { phase: "thinking", eventId, isMaybeThere: false }),

  /** The server did not take the question: it stays on the page, marked, and can be sent again. */
  refused: (state, { error }) =>
    changePending(state, { phase: "refused", error, isMaybeThere: false }),

  /** The customer waits no longer; where the call was out, the question may still arrive. */
  givenUp: (state, { error }) => changePending(state, { error }),

  /** The call's answer; the event says the same to every page. */
  handoff: (state, { handoff, told = {} }) => ({ ...state, handoff, told }),

  /** What the customer says of an answer; null takes it back. */
  judged: (state, { runId, feedback }) => changeAnswer(state, runId, () => ({ feedback })),

  stopping: (state) => ({
    ...state,
    pending: state.pending && { ...state.pending, isStopping: true },
    turn: state.turn && { ...state.turn, isStopping: true },
  }),
};

export function reduce(state, action) {
  return settle(steps[action.type](state, action));
}

/** An event without a number passes by; one with a number is never taken twice. */
function take(state, event) {
  if (event.number !== null && event.number <= state.taken) return state;
  const change = Object.hasOwn(events, event.type) ? events[event.type] : (same) => same;
  return settle({ ...change(state, event), taken: event.number ?? state.taken });
}

/** Whichever comes first, the call's answer or the event: both there, the question is stored. */
function settle(state) {
  const { pending, turn, taken } = state;
  if (!pending || pending.eventId === null || pending.eventId > taken) return state;
  const isStopping = pending.isStopping;
  return { ...state, pending: null, turn: turn && isStopping ? { ...turn, isStopping } : turn };
}

/** While our call is out, a question that appears may be ours; only the call's answer tells. */
function suspect(pending) {
  const isOut = pending?.phase === "sending" || pending?.phase === "recovering";
  return isOut ? { ...pending, isMaybeThere: true } : pending;
}

/** What a lost conversation had accepted has to be asked again. */
function forgetArrival(pending) {
  const isThere = pending.eventId !== null;
  const isMaybeThere = false;
  return isThere
    ? { ...pending, isMaybeThere, eventId: null, phase: "refused", error: UNANSWERED }
    : { ...pending, isMaybeThere };
}

/** A question asked again takes the place of the one that failed. */
export function dropFailed(messages, text) {
  const failed = findFailedTurn(messages);
  return failed?.[0].text === text ? messages.filter((it) => !failed.includes(it)) : messages;
}

/** The last answer, where it failed, behind its question; the staff's words may stand between. */
export function findFailedTurn(messages) {
  const answer = messages.at(-1);
  const question = answer?.error && messages.findLast(
    ({ role, runId }) => role === "customer" && runId === answer.runId);
  return question ? [question, answer] : null;
}

export function say(role, runId) {
  return {
    role, runId, text: "", finishReason: null, totalMs: null, error: null, notices: [],
    origin: UNKNOWN, isConfirming: false, feedback: null,
  };
}

function begin(runId, text) {
  const phase = text ? "speaking" : "thinking";
  return { runId, phase, position: 0, etaMs: 0, reason: "", tool: "", isStopping: false };
}

/** That a person has gone is news until the customer goes on. */
function settleHandoff(handoff) {
  return handoff === "closed" ? "bot" : handoff;
}

/** A whole message of the shop's side stands before the answer that still grows. */
function addMessage(state, message) {
  const end = state.messages.length - (state.turn ? 1 : 0);
  return { ...state, messages: [...state.messages.slice(0, end), message, ...state.messages.slice(end)] };
}

function findAnswer(state, runId) {
  return state.messages.find((it) => it.runId === runId && it.role === "assistant");
}

function changeAnswer(state, runId, change) {
  const answer = findAnswer(state, runId);
  if (!answer) return state;
  const changed = { ...answer, ...change(answer) };
  return { ...state, messages: state.messages.map((it) => (it === answer ? changed : it)) };
}

/** Also revives a turn whose error could not be stored and that a restart goes on with. */
function changeTurn(state, runId, changed) {
  const answer = findAnswer(state, runId);
  if (!answer || answer.finishReason) return state;
  const turn = state.turn ?? begin(runId, answer.text);
  return {
    ...changeAnswer(state, runId, () => ({ error: null })),
    turn: { ...turn, ...changed },
  };
}

function speak(state, runId, change) {
  const spoken = changeAnswer(state, runId, ({ text }) => ({ text: change(text) }));
  const { isStopping: _, ...turn } = begin(runId, findAnswer(spoken, runId)?.text);
  return changeTurn(spoken, runId, turn);
}

function end(state, runId, ending) {
  const ended = changeAnswer(state, runId, () => ending);
  return { ...ended, turn: state.turn?.runId === runId ? null : state.turn };
}

function changePending(state, changed) {
  return state.pending ? { ...state, pending: { ...state.pending, ...changed } } : state;
}

/** What the stored rows and the running turn say; a question without either was never answered. */
function readHistory({ messages: rows, running, handoff = "bot", handoff_told: told = {} }) {
  const answered = new Set(rows.filter((row) => row.role !== "customer").map((row) => row.run_id));
  let messages = [];
  for (const row of rows) {
    if (row.role === "customer") messages = dropFailed(messages, row.text);
    messages.push(readRow(row));
    if (row.role !== "customer" || answered.has(row.run_id)) continue;
    const isRunning = running?.run_id === row.run_id;
    const draft = say("assistant", row.run_id);
    messages.push(isRunning ? readDraft(draft, running) : { ...draft, error: UNANSWERED });
  }
  return { messages, turn: running && readTurn(running), handoff: settleHandoff(handoff), told };
}

function readDraft(draft, running) {
  return { ...draft, text: running.text, origin: readOrigin(running) };
}

function readRow(row) {
  return {
    ...say(row.role === "customer" ? "customer" : "assistant", row.run_id),
    text: row.text,
    finishReason: row.finish_reason ?? null,
    totalMs: row.total_ms ?? null,
    error: row.error ?? null,
    origin: row.role === "customer" ? UNKNOWN : readOrigin(row),
    isConfirming: row.rule === CONFIRM,
    feedback: row.feedback ?? null,
  };
}

function readTurn({ run_id: runId, text, queued }) {
  const turn = begin(runId, text);
  if (!queued) return turn;
  const { position, eta_ms: etaMs, reason } = queued;
  return { ...turn, phase: "queued", position, etaMs, reason };
}
