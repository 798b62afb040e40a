/**
 * What to say about a state: which words for a wait, an ending, an error, a banner. The words for
 * where an answer comes from are chosen in origin_phrases.js.
 *
 * It holds no text (words.js does) and touches no page. The rule that must not break: every code
 * of the server finds words a customer understands, known to us or not.
 */
const ENDINGS = {
  length: "endLength",
  cancelled: "endCancelled",
  timeout: "endTimeout",
  refused: "endRefused",
  handed_over: "endHandedOver",
};

const ERRORS = {
  connection: "errorConnection",
  busy: "errorBusy",
  model_unavailable: "errorModel",
  model_file_refused: "errorModel",
  engine_failed: "errorEngine",
  store_unavailable: "errorStore",
  interrupted: "errorInterrupted",
  invalid_field: "errorTooLong",
  body_too_large: "errorTooLong",
  unanswered: "errorUnanswered",
  too_many_requests: "errorBusy",
  not_authenticated: "errorKey",
  access_denied: "errorKey",
  insecure_connection: "errorKey",
};

const NOTICES = {
  trimmed: "noticeTrimmed",
  repetition: "noticeRepetition",
};

const TOOLS = {
  query_order_status: "waitOrder",
  list_my_orders: "waitOrder",
  query_invoice: "waitInvoice",
  create_ticket: "waitTicket",
  request_return: "waitReturn",
};

const WAITS = {
  sending: "waitSending",
  thinking: "waitThinking",
  looking: "waitLooking",
  speaking: "waitSpeaking",
  recovering: "waitRecovering",
  waiting: "waitNext",
};

/** `hasBegun` is whether a part of the answer is there already. */
export function describeWait(words, turn, hasBegun) {
  if (turn.isStopping) return words.say("stopping");
  if (hasBegun && turn.phase === "recovering") return words.say("waitCut");
  if (hasBegun && turn.phase === "queued") return words.say("waitGoesOn");
  if (turn.phase === "looking") return describeTool(words, turn.tool);
  if (turn.phase !== "queued") return words.say(WAITS[turn.phase]);
  if (turn.reason === "model_loading") return words.say("waitLoading");
  if (turn.position < 1) return words.say("waitNext");
  const seconds = Math.ceil(turn.etaMs / 1000);
  const key = seconds > 0 ? "waitQueueSeconds" : "waitQueue";
  return words.say(key, { position: turn.position, seconds });
}

/** A tool's own name is a programmer's: those that are known have words of a customer. */
function describeTool(words, tool) {
  const key = Object.hasOwn(TOOLS, tool) ? TOOLS[tool] : WAITS.looking;
  return words.say(key);
}

/** An ending that is not plain, or "". */
export function describeEnding(words, message) {
  const key = ENDINGS[message.finishReason];
  return key ? words.say(key) : "";
}

/** What befell `message`: a question that was not taken, or an answer that broke off. */
export function describeError(words, { error, role }) {
  const isTooMuch = error.code === "busy" || error.code === "too_many_requests";
  if (isTooMuch && error.retryAfterS > 0) {
    return words.say("errorBusySeconds", { seconds: error.retryAfterS });
  }
  if (error.code === "store_unavailable" && role === "assistant") {
    return words.say("errorStoreAnswer");
  }
  return words.say(ERRORS[error.code] ?? "errorOther");
}

/** Asking the very same again would most likely end the same way, for everybody. */
export function isWorthRetrying(error) {
  return error.code !== "interrupted";
}

export function describeNotice(words, notice) {
  const key = NOTICES[notice.code];
  return key ? words.say(key) : notice.text;
}

/**
 * {text, reason, isCalm} for the top of the page, or null when all is well for a customer. A disk
 * that fills up is the shop's affair, and so is the model while the FAQ answers: the about box
 * tells both. `isBarred` says of the server's word on who may chat whether it means this page.
 */
export function describeTrouble(words, isLost, readiness, isBarred = () => false) {
  if (isLost) return warn(words.say("bannerReconnecting"));
  if (!readiness) return null;
  if (isBarred(readiness.chat_access)) return warn(words.say("errorKey"));
  const { model, store } = readiness;
  if (store.state === "unavailable") return warn(words.say("bannerStore"), store.reason);
  if (readiness.ready || model.phase === "ready") return null;
  const hasAnswers = readiness.rungs?.knowledge === "ready";
  if (!["unavailable", "stopped"].includes(model.phase)) {
    return { text: describeLoading(words, model, hasAnswers), reason: "", isCalm: true };
  }
  if (hasAnswers) return { text: words.say("bannerResting"), reason: "", isCalm: true };
  return warn(words.say("bannerUnavailable"), model.reason);
}

function warn(text, reason = "") {
  return { text, reason, isCalm: false };
}

function describeLoading(words, model, hasAnswers) {
  if (model.phase === "starting" && !hasAnswers) return words.say("bannerStarting");
  const percent = Math.round(model.progress * 100);
  const isMeasured = model.phase === "loading" && percent > 0;
  if (hasAnswers) return words.say(isMeasured ? "bannerWaking" : "bannerWakingPlain", { percent });
  return words.say(isMeasured ? "bannerLoading" : "bannerLoadingPlain", { percent });
}
