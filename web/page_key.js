/**
 * The key of the appliance's own pages, where chatting needs one: staff open a page once with
 * `#key=ak_…` behind its address, and this browser keeps it.
 *
 * It is sent by server.js, as a site's is. The rule that must not break: it leaves the address
 * at once, and as a part of the address it is never sent.
 */
import { showKey } from "./server.js";
import { Kept } from "./storage.js";

const GIVEN = "#key=";

/** Shows the kept key, or the one in the address; an empty one there is kept no more. */
export function takeKey() {
  const kept = new Kept("key");
  const { hash, pathname, search } = location;
  if (hash.startsWith(GIVEN)) {
    kept.set(hash.slice(GIVEN.length) || null);
    history.replaceState(null, "", pathname + search);
  }
  showKey(kept.get());
  // Pasted into a page that is open already: it begins anew.
  addEventListener("hashchange", () => location.hash.startsWith(GIVEN) && location.reload());
}
