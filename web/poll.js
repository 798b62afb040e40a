/**
 * Asking again and again, with growing pauses.
 *
 * It knows no server. The rule that must not break: an aborted signal ends the asking at once.
 */

/** Calls `probe` until it gives true or `signal` aborts; the last pause repeats. */
export async function poll(probe, pausesMs, signal) {
  for (let round = 0; !signal.aborted && !(await probe()); round += 1) {
    await pause(pausesMs[Math.min(round, pausesMs.length - 1)], signal);
  }
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
