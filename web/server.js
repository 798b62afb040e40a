/**
 * The calls of the appliance's HTTP surface that the page makes.
 *
 * It keeps but a site's key and decides nothing. The rule that must not break: every call ends in its
 * value, in a ServerError that carries the server's code, or in Unreachable.
 */
const CALL_MS = 10_000;
/** The key opens nothing, may do too much, or came over an open network. */
const KEY_ERRORS = ["not_authenticated", "access_denied", "insecure_connection"];
let shown = {};
let isRefused = false;

/** The status of a call on a conversation that the server does not know. */
export const LOST_SESSION = 404;

/** The server answered with an error of its own. */
export class ServerError extends Error {
  constructor(status, { code, message, detail }, retryAfterS) {
    super(message);
    this.status = status;
    this.code = code;
    this.field = detail?.field ?? "";
    this.retryAfterS = retryAfterS;
  }
}

/** Nobody answered, or something that is not the appliance. */
export class Unreachable extends Error {}

/** From a site or this browser's storage, where everybody can read it. */
export function showKey(key) {
  if (key) shown = { Authorization: `Widget ${key}` };
}

/** Whether `error` is about the key, and the same call will end so again. */
export function isKeyError({ code }) {
  return KEY_ERRORS.includes(code);
}

/** Whether nothing can be asked from here without another key; `access` is what `/readyz` says. */
export function isBarred(access) {
  return access === "key" && (isRefused || !shown.Authorization);
}

export async function openSession() {
  const answer = await call("/sessions", { method: "POST" });
  return (await readJson(answer)).session_id;
}

/** Asks; the same `clientId` again gives what the first call gave, and asks nothing twice. */
export async function ask(sessionId, message, clientId, signal) {
  const answer = await call(`${locate(sessionId)}/messages`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ message, client_id: clientId }),
    signal,
  });
  return { eventId: (await readJson(answer)).event_id };
}

/** The bytes of all events above number `after`, and of those to come. */
export async function openEvents(sessionId, after, signal) {
  const path = `${locate(sessionId)}/events?after=${after}`;
  return (await call(path, { headers: { Accept: "text/event-stream" }, signal })).body;
}

export async function readHistory(sessionId) {
  return readJson(await call(`${locate(sessionId)}/messages`));
}

/** Whether there was an answer to stop. */
export async function stop(sessionId) {
  return (await readJson(await call(`${locate(sessionId)}/stop`, { method: "POST" }))).stopped;
}

/**
 * Asks for a person, or with `isWanted` false for none any more; gives where that stands and, in
 * `message`, how the shop is reached meanwhile.
 */
export function callPerson(sessionId, isWanted, language) {
  return send(sessionId, "handoff", isWanted ? { language } : { state: "closed" });
}

/** What a customer says of an answer: `verdict` "up", "down", or null for nothing any more. */
export function judge(sessionId, runId, verdict, reason = "") {
  return send(sessionId, "feedback", { run_id: runId, verdict, reason });
}

/** Tells who the visitor is, by what the site around the widget signed. */
export function identify(sessionId, token) {
  return send(sessionId, "identity", { token });
}

/** A change of the conversation, by its `part` of the address. */
export async function send(sessionId, part, body) {
  return readJson(await call(`${locate(sessionId)}/${part}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  }));
}

/** Closes the conversation for whoever has its id; the page may be gone before it is answered. */
export async function revoke(sessionId) {
  await call(`${locate(sessionId)}/revoke`, { method: "POST", keepalive: true });
}

/** Deletes the conversation and everything kept for it. */
export async function forget(sessionId) {
  await call(locate(sessionId), { method: "DELETE" });
}

export async function checkHealth() {
  await call("/healthz");
}

/** What `/readyz` says; its 503 while the model loads is an answer, not an error. */
export async function readReadiness() {
  const answer = await reach("/readyz");
  const readiness = await readJson(answer);
  if (readiness.model) return readiness;
  throw new Unreachable(`/readyz answered ${answer.status} without the model's state.`);
}

function locate(sessionId) {
  return `/sessions/${encodeURIComponent(sessionId)}`;
}

async function call(path, options = {}) {
  const answer = await reach(path, options);
  if (answer.ok) return answer;
  const { error } = await readJson(answer);
  if (!error?.code) throw new Unreachable(`${path} answered ${answer.status} without a code.`);
  isRefused ||= isKeyError(error);
  if (shown.Authorization) console.error(error.message);
  throw new ServerError(answer.status, error, Number(answer.headers.get("Retry-After")) || 0);
}

/** The answer once its headers are there; the body may take as long as it takes. */
async function reach(path, { signal, ...options } = {}) {
  const leaving = new AbortController();
  const leave = () => leaving.abort();
  const headers = { ...options.headers, ...shown };
  const timer = setTimeout(leave, CALL_MS);
  signal?.addEventListener("abort", leave);
  if (signal?.aborted) leave();
  try {
    return await fetch(path, { cache: "no-store", ...options, headers, signal: leaving.signal });
  } catch (error) {
    throw new Unreachable(`${path} was not reached: ${error}`);
  } finally {
    clearTimeout(timer);
  }
}

async function readJson(answer) {
  try {
    return await answer.json();
  } catch (error) {
    throw new Unreachable(`The answer is not JSON: ${error}`);
  }
}
