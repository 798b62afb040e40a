/**
 * Whether somebody is still there: a pure machine of the kiosk's states over time.
 *
 * It touches no page and no clock; the time comes with each step. The rules that must not break:
 * nothing is wiped while an answer is on its way, and whatever happens, a kiosk that nobody
 * touches is wiped in the end.
 *
 * A state is {phase, touchedMs, quietMs, endsMs}. The phases: `attract`, nobody is there; `talking`,
 * nothing happened since `quietMs`; `asking`, whether somebody is there, until `endsMs`; `wiping`,
 * until the page says `wiped`.
 */
export const NOBODY = Object.freeze({ phase: "attract", touchedMs: 0, quietMs: 0, endsMs: 0 });

/** An answer that takes longer hangs; what stands on the screen must not stay for the next one. */
export const LONGEST_ANSWER_MS = 300_000;

/** What happened: `touched`, `ended` by the visitor, `wiped` by the page, or only time passed. */
export function step(state, { type, nowMs, isAnswering = false }, { idleMs, countdownMs }) {
  switch (type) {
    case "touched":
      return state.phase === "wiping" ? state : talk(nowMs);
    case "ended":
      return state.phase === "attract" ? state : { ...state, phase: "wiping" };
    case "wiped":
      return NOBODY;
    default:
      return wait(state, nowMs, isAnswering, idleMs, countdownMs);
  }
}

/** Whole seconds until the wipe, from above. */
export function countSeconds({ endsMs }, nowMs) {
  return Math.max(0, Math.ceil((endsMs - nowMs) / 1000));
}

function wait(state, nowMs, isAnswering, idleMs, countdownMs) {
  const { phase, touchedMs, quietMs, endsMs } = state;
  if (phase !== "talking" && phase !== "asking") return state;
  // The visitor reads when the answer has ended, so the time counts from there.
  const isAwaited = isAnswering && nowMs - touchedMs < LONGEST_ANSWER_MS;
  if (isAwaited) return { ...state, phase: "talking", quietMs: nowMs };
  if (phase === "asking") return nowMs < endsMs ? state : { ...state, phase: "wiping" };
  if (nowMs - quietMs < idleMs) return state;
  return { ...state, phase: "asking", endsMs: nowMs + countdownMs };
}

function talk(nowMs) {
  return { phase: "talking", touchedMs: nowMs, quietMs: nowMs, endsMs: 0 };
}
