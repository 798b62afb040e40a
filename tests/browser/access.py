"""What axe-core finds wrong with a page as it stands, in both themes.

No test stands here. The rule that must not break: nothing is left out, neither a part of the page
nor a rule of WCAG 2.2 AA, and a finding is told with the element that it is about.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[1] / "vendor" / "axe-core" / "axe.min.js"
THEMES = ("light", "dark")
RUN = """async () => {
  const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
  const { violations, passes } = await axe.run(document, { runOnly: tags });
  const told = violations.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target}: ${failureSummary}`));
  return { told, checked: passes.length };
}"""
SETTLE = """async () => {
  await Promise.all(document.getAnimations()
    .filter((it) => it.effect.getComputedTiming().iterations !== Infinity)
    // One whose element goes meanwhile is at its end too.
    .map((it) => it.finished.catch(() => null)));
}"""


def find_faults(page: Page) -> list[str]:
    """Empty where the page is as it should be, light and dark."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE.read_text("utf-8"))
    faults = []
    chosen = page.evaluate("document.documentElement.dataset.theme")
    for theme in THEMES:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        page.evaluate(SETTLE)
        found = page.evaluate(RUN)
        assert found["checked"] > 10, "axe-core looked at nothing"
        faults += [f"{theme}: {fault}" for fault in found["told"]]
    page.evaluate("theme => { document.documentElement.dataset.theme = theme }", chosen)
    return faults
