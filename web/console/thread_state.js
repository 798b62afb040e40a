/**
 * One conversation as an operator sees it, and how its events change it.
 *
 * It is a pure reducer: it calls nobody and touches no page. The rule that must not break: an
 * event is taken once, told by its number, and a rewind leaves exactly what the server still has.
 *
 * A message is {role, runId, text, atMs, source, label, score, rule, sources, verdicts, tools,
 * feedback, reason, operator, error, ending, isGrowing, held}.
 */
export const EMPTY = Object.freeze({
  messages: Object.freeze([]), notes: Object.freeze([]), csat: null, row: null, draft: null,
  taken: 0,
});

/** What `GET /console/conversations/{id}` says. */
export function open(answer) {
  const { conversation, messages, last_number: taken, notes, csat, draft, running } = answer;
  const read = messages.map(readMessage);
  return {
    messages: running ? [...read, { ...start(running.run_id), text: running.text ?? "" }] : read,
    notes: notes ?? [], csat: csat ?? null, row: conversation, draft: draft ?? null, taken,
  };
}

export function take(state, { type, number, data }) {
  if (number !== null && number <= state.taken) return state;
  const change = Object.hasOwn(EVENTS, type) ? EVENTS[type] : (same) => same;
  return { ...change(state, data, number), taken: number ?? state.taken };
}

const EVENTS = {
  message: (state, data, number) => {
    const said = { ...readMessage({ at_ms: Date.now(), ...data, operator: data.name ?? data.operator }), number };
    if (data.role === "customer") return add(state, said);
    // What a person says stands before the answer that still grows.
    const growing = state.messages.findIndex(({ isGrowing }) => isGrowing);
    if (growing < 0) return add(state, said);
    return { ...state, messages: state.messages.toSpliced(growing, 0, said) };
  },
  queued: (state, { run_id: runId }) => grow(state, runId, () => ({})),
  started: (state, { run_id: runId, source }) => grow(state, runId, () => ({ source })),
  token: (state, { run_id: runId, text: growth }) => grow(state, runId, ({ text }) => ({ text: text + growth })),
  tool: (state, { run_id: runId, name, state: what }) =>
    grow(state, runId, ({ tools }) => ({ tools: [...tools, { name, state: what }] })),
  rewind: (state, { run_id: runId, chars }) =>
    grow(state, runId, ({ text }) => ({ text: [...text].slice(0, chars).join("") })),
  done: (state, data) => end(state, data.run_id, {
    source: data.source ?? null, label: data.label ?? null, score: data.score ?? null,
    rule: data.rule ?? "", sources: data.sources ?? [], ending: data.finish_reason ?? "",
  }),
  error: (state, { run_id: runId, code }) => end(state, runId, { error: code }),
  handoff: (state, { state: owner }) =>
    add(state, { ...start(""), role: "handoff", text: owner, isGrowing: false, atMs: Date.now() }),
  draft: (state, data) => ({ ...state, draft: data.text === null ? null : data }),
};

function add(state, message) {
  return { ...state, messages: [...state.messages, message] };
}

function find(state, runId) {
  return state.messages.findLast((it) => it.runId === runId && it.role === "assistant");
}

/** The answer of that turn as it grows; it begins with the first that is told of it. */
function grow(state, runId, change) {
  if (!runId) return state;
  const begun = find(state, runId) ? state : add(state, start(runId));
  const answer = find(begun, runId);
  return replace(begun, answer, { ...answer, ...change(answer), isGrowing: true });
}

function end(state, runId, changed) {
  const draft = state.draft?.run_id === runId ? null : state.draft;
  const answer = find(state, runId);
  // A turn that a person's silence ended has said nothing: there is no answer to show.
  if (!answer || (answer.text === "" && !changed.error)) {
    return { ...state, draft, messages: state.messages.filter((it) => it !== answer) };
  }
  return { ...replace(state, answer, { ...answer, ...changed, isGrowing: false }), draft };
}

function replace(state, before, after) {
  return { ...state, messages: state.messages.map((it) => (it === before ? after : it)) };
}

function start(runId) {
  return readMessage({ role: "assistant", run_id: runId, text: "", at_ms: null, isGrowing: true });
}

function readMessage(row) {
  return {
    role: row.role, runId: row.run_id ?? "", text: row.text ?? "", atMs: row.at_ms ?? null,
    source: row.source ?? null, label: row.label ?? null, score: row.score ?? null,
    rule: row.rule ?? "", sources: row.sources ?? [], verdicts: row.verdicts ?? [],
    tools: row.tools ?? [], feedback: row.feedback ?? null, reason: row.feedback_reason ?? "",
    operator: row.operator ?? "", error: row.error ?? null, ending: row.finish_reason ?? "",
    isGrowing: row.isGrowing ?? false,
  };
}
