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
  taken: 0, mostChars: undefined,
});

/**
 * What `GET /console/conversations/{id}` says, on top of what is known. Of an answer under way it
 * tells nothing: then what the events have brought stays, and only what stands beside it is new.
 */
export function open(state, answer) {
  const { conversation: row, messages, last_number: told, notes, csat, events } = answer;
  // Where a person answered, or nothing came, there is no answer to show.
  const read = messages.map(readMessage).filter((it) => it.text || it.error);
  const beside = { ...state, row, notes, csat, mostChars: answer.max_message_chars };
  if (told >= state.taken) return { ...beside, messages: weave(read, events), taken: told };
  return { ...beside, messages: state.messages.map((it) => enrich(it, read)) };
}

/** Who had the conversation when, among what was said. */
function weave(messages, changes) {
  const woven = [...messages];
  for (const { state: text, at_ms: atMs, operator } of changes) {
    const after = woven.findIndex((it) => it.atMs !== null && it.atMs > atMs);
    woven.splice(after < 0 ? woven.length : after, 0,
      { ...start(""), role: "handoff", text, atMs, operator: operator ?? "", isGrowing: false });
  }
  return woven;
}

function enrich(message, read) {
  const known = read.find((it) => it.runId === message.runId && it.role === message.role);
  return known && !message.isGrowing && known.text === message.text ? known : message;
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
  // Without a number only the place in the line is another.
  handoff: (state, { state: text, name: operator = "" }, number) => (number === null ? state
    : add(state, { ...start(""), role: "handoff", text, operator, isGrowing: false, atMs: Date.now() })),
  draft: (state, data) => ({ ...state, draft: data.is_whole && data.text === "" ? null : data }),
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
