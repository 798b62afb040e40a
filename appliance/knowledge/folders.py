"""Where the knowledge stands: in the owner's folder, or else in the example shop.

It looks and creates nothing. The rule that must not break: as soon as the owner's folder exists
the example is served no more, not even in part.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parents[1]
# Of a wheel, and of a checkout.
EXAMPLES = (PACKAGE / "_examples" / "shop", PACKAGE.parent / "examples" / "shop")


def find_folder(own: Path, examples: tuple[Path, ...] = EXAMPLES) -> tuple[Path, bool]:
    """The folder, and whether it is the example's."""
    if own.exists():
        return own, False
    example = next((folder for folder in examples if folder.is_dir()), None)
    return (own, False) if example is None else (example, True)
