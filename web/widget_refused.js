/**
 * The page for a site that is not on the list: names it, and lets the visitor close the panel.
 *
 * It opens no conversation and keeps nothing. The rule that must not break: the address is shown
 * as text, because anybody can write anything into it.
 */
import { Host } from "./widget_host.js";

const host = new Host();
const site = new URLSearchParams(location.search).get("origin") ?? "";
for (const place of document.querySelectorAll(".site")) place.textContent = site;
document.addEventListener("click", ({ target }) => {
  if (target.matches(".refused-close")) host.close();
});
document.addEventListener("keydown", ({ key }) => key === "Escape" && host.close());
host.ready();
host.report("refused", { site });
