/**
 * Calls that may take longer than one call is waited for: trying an entry against a month.
 *
 * It is for calls that change nothing, since the server goes on with the first one and remembers
 * what it found. The rule that must not break: an answer of the server, good or bad, ends it.
 */
const TRIES = 6;

export async function askPatiently(call) {
  for (let left = TRIES - 1; ; left -= 1) {
    try {
      return await call();
    } catch (error) {
      const isWaiting = error.code === "unreached" || error.code === "restarting";
      if (!isWaiting || left <= 0) throw error;
    }
  }
}
