/**
 * The state of one conversation and how each frame or history changes it.
 *
 * It is a pure reducer: it calls no server and touches no page. The rule that must not break:
 * what a customer typed stays in the state until it is stored or the customer lets it go.
 *
 * A message is {role, text, isStored, runId, source, finishReason, seconds, error, notices}.
 * A turn is {phase, position, etaMs, reason, isStopping}; its phases are sending, queued,
 * thinking, speaking and recovering, and while there is one the last message is its draft.
 */
export const EMPTY = Object.freeze({ messages: [], turn: null, storedQuestions: 0 });

const changes = {
  asked: (state, { text }) => ({
    ...state,
    messages: [...dropFailed(state.messages), say("customer", text), say("assistant", "")],
    turn: begin("sending"),
  }),

  accepted: (state) => ({
    ...state,
    messages: [...state.messages.slice(0, -2), { ...state.messages.at(-2), isStored: true },
      state.messages.at(-1)],
    turn: { ...state.turn, phase: "thinking" },
    storedQuestions: state.storedQuestions + 1,
  }),

  queued: (state, { position, etaMs, reason }) => ({
    ...state,
    turn: { ...state.turn, phase: "queued", position, etaMs, reason },
  }),

  started: (state, { source }) => ({
    ...changeDraft(state, { source }),
    turn: { ...state.turn, phase: "thinking" },
  }),

  token: (state, { text }) => ({
    ...changeDraft(state, { text: state.messages.at(-1).text + text }),
    turn: { ...state.turn, phase: "speaking" },
  }),

  notice: (state, { code, text }) =>
    changeDraft(state, { notices: [...state.messages.at(-1).notices, { code, text }] }),

  done: (state, { runId, source, finishReason, totalMs }) => ({
    ...changeDraft(state, {
      runId, source, finishReason, seconds: totalMs / 1000, isStored: true,
    }),
    turn: null,
  }),

  failed: (state, { runId, code, message }) => ({
    ...changeDraft(state, { runId, error: { code, message }, isStored: true }),
    turn: null,
  }),

  stopping: (state) => ({ ...state, turn: { ...state.turn, isStopping: true } }),

  broken: (state) => ({ ...state, turn: { ...state.turn, phase: "recovering" } }),

  /** The server did not take the question: it stays on the page, marked, and can be sent again. */
  refused: (state, { error }) => ({
    ...state,
    messages: [...state.messages.slice(0, -2), { ...state.messages.at(-2), error }],
    turn: null,
  }),

  history: (state, { history }) => {
    const known = new Map(state.messages.map((message) => [message.runId, message]));
    const messages = history.messages.map((row) => readRow(row, known.get(row.run_id)));
    return {
      ...resume(messages, history.running, state.turn),
      storedQuestions: countQuestions(history),
    };
  },
};

export function reduce(state, action) {
  return changes[action.type](state, action);
}

export function countQuestions(history) {
  return history.messages.filter((row) => row.role === "customer").length;
}

/** The question that can be asked again: the last one, where it failed. */
export function findFailed(state) {
  const last = state.messages.at(-1);
  if (state.turn || !last?.error) return null;
  return last.role === "customer" ? last : state.messages.at(-2);
}

/** What would be lost if the page closed now. */
export function findUnsent(state) {
  return state.messages.find((message) => message.role === "customer" && !message.isStored);
}

function say(role, text) {
  return {
    role, text, isStored: false, runId: null, source: null, finishReason: null,
    seconds: null, error: null, notices: [],
  };
}

function begin(phase) {
  return { phase, position: 0, etaMs: 0, reason: "", isStopping: false };
}

function changeDraft(state, changed) {
  return {
    ...state,
    messages: [...state.messages.slice(0, -1), { ...state.messages.at(-1), ...changed }],
  };
}

/** A question asked again takes the place of the one that failed. */
function dropFailed(messages) {
  const last = messages.at(-1);
  if (!last?.error) return messages;
  return messages.slice(0, last.role === "customer" ? -1 : -2);
}

function readRow(row, known) {
  return {
    ...say(row.role === "customer" ? "customer" : "assistant", row.text),
    isStored: true,
    runId: row.run_id,
    source: row.source ?? null,
    finishReason: row.finish_reason ?? null,
    error: row.error ?? null,
    seconds: "total_ms" in row ? row.total_ms / 1000 : null,
    notices: known?.notices ?? [],
  };
}

function resume(messages, running, turn) {
  if (!running) return { messages: markUnanswered(messages), turn: null };
  const draft = { ...say("assistant", running.text), runId: running.run_id };
  const waiting = running.queued;
  const phase = waiting ? "queued" : running.text ? "speaking" : "thinking";
  return {
    messages: [...messages, draft],
    turn: {
      ...begin(phase),
      position: waiting?.position ?? 0,
      etaMs: waiting?.eta_ms ?? 0,
      reason: waiting?.reason ?? "",
      isStopping: turn?.isStopping ?? false,
    },
  };
}

/** A last question without answer and without a turn: the machine went off in between. */
function markUnanswered(messages) {
  const last = messages.at(-1);
  if (last?.role !== "customer" || last.error) return messages;
  return [...messages.slice(0, -1), { ...last, error: { code: "unanswered", message: "" } }];
}
