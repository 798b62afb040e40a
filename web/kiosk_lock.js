/**
 * The kiosk's page cannot be left: no menus, no links, no keys of the browser.
 *
 * What the browser takes for itself (Alt+F4, Ctrl+W) never comes here; deploy/kiosk has the flags and
 * the session for that. The rule that must not break: what is stopped here is only ever a way
 * out, so that writing and reading stay as they are.
 */
const FUNCTION_KEY = /^F\d{1,2}$/;
const BROWSER_KEY = /^(Browser|Launch|Zoom|Media|Audio)|^(ContextMenu|Help|Print|Find|Open|Save|Props)$/;
const EDITING = ["a", "c", "v", "x", "y", "z"];

/** Whether the key would do something to the browser instead of the text. */
export function isWayOut({ key, ctrlKey, metaKey, altKey, altGraph = false }) {
  if (FUNCTION_KEY.test(key) || BROWSER_KEY.test(key)) return true;
  if (altGraph) return false;
  if (ctrlKey || metaKey) return altKey || !EDITING.includes(key.toLowerCase());
  return altKey;
}

export function lock(page) {
  const refuse = (event) => event.preventDefault();
  for (const type of ["contextmenu", "auxclick", "dragstart", "dragover", "drop"]) {
    page.addEventListener(type, refuse, { capture: true });
  }
  page.addEventListener("click", (event) => {
    if (event.target.closest("a")) refuse(event);
  }, { capture: true });
  page.addEventListener("keydown", (event) => {
    const { key, ctrlKey, metaKey, altKey } = event;
    const altGraph = event.getModifierState("AltGraph");
    if (isWayOut({ key, ctrlKey, metaKey, altKey, altGraph })) refuse(event);
  }, { capture: true });
  page.addEventListener("wheel", (event) => event.ctrlKey && refuse(event), { passive: false });
}
