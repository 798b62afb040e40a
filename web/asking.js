/**
 * What a question that is sent needs: an id of its own, and the difference between no and not yet.
 *
 * It sends nothing. The rule that must not break: a question that may have arrived counts as
 * refused only where the server said so.
 */
import { Unreachable } from "./server.js";

export const TURN_RUNNING = "turn_running";
const RESTARTING = "restarting";
const STORE_UNAVAILABLE = "store_unavailable";

/** False where the question may be stored already, or will be taken in a moment. */
export function isRefusal(error, failures) {
  if (error instanceof Unreachable) return false;
  if (error.code === STORE_UNAVAILABLE) return failures === 0;
  return error.code !== TURN_RUNNING && error.code !== RESTARTING;
}

/** `crypto.randomUUID` does not exist on the plain HTTP of a shop's network. */
export function createClientId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
