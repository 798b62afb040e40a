/**
 * Sets the kept theme before the first paint; it is a classic script because modules come later.
 *
 * It changes nothing else. The rule that must not break: no flash of the wrong colours.
 */
try {
  document.documentElement.dataset.theme = localStorage.getItem("appliance.theme") ?? "auto";
} catch {
  document.documentElement.dataset.theme = "auto";
}
