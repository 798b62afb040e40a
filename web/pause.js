/**
 * Waiting before another try, longer with every failure.
 *
 * It knows no server. The rule that must not break: an aborted signal ends the waiting at once.
 */
const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 10_000];

/** Waits after that many failures before this one; the last pause repeats. */
export function pauseAfter(failures, signal) {
  return pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)], signal);
}

/** Waits about `ms`: a tenth of chance keeps many pages from asking in step. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      globalThis.removeEventListener?.("online", end);
      resolve();
    };
    const timer = setTimeout(end, ms * (0.95 + Math.random() / 10));
    signal.addEventListener("abort", end);
    globalThis.addEventListener?.("online", end);
    if (signal.aborted) end();
  });
}
