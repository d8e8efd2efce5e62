"""Name the colours by role, on light paper and on dark; text passes WCAG contrast 4.5 on its ground."""

from __future__ import annotations

from functools import lru_cache

__all__ = ["FONT", "GROUNDS", "PALETTE", "css"]

FONT = 'ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono","Liberation Mono",monospace'

PALETTE: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#14161b"),
    "ink": ("#16181d", "#eceef2"),  # forward: values, names, arrows
    "grey": ("#5b616e", "#a6adba"),  # shapes, constants
    "red": ("#b3151b", "#ff8f86"),  # backward: gradients, arrows
    "card": ("#ffffff", "#252932"),
    "border": ("#7b8494", "#8a93a5"),
    "leaf": ("#e8f0fd", "#1d3050"),
    "leaf-border": ("#4a78c2", "#7aa5ee"),
    "result": ("#e6f4e9", "#1b3a26"),
    "result-border": ("#3d8b55", "#6fc58a"),
    "stage": ("#f3f4f7", "#1c1f26"),
    "stage-border": ("#d4d8e0", "#363c48"),
    "table": ("#eff1f5", "#2c313c"),
    "red-table": ("#fdeceb", "#442325"),
    "blue": ("#1f5fbf", "#7db1ff"),
    "orange": ("#b35000", "#ffb066"),
}
"""Role: (light, dark)."""


GROUNDS = {
    "leaf": ("leaf", "leaf-border"), "result": ("result", "result-border"), "broken": ("red-table", "red"),
}  # fmt: skip
"""Kind of box: the roles of its ground and its border; ``card`` and ``border`` where left out."""


@lru_cache(maxsize=4)
def css(scope: str) -> str:
    """Return the style sheet of a picture: a class per role, filled or (``-line``) stroked; dark as the system is."""
    light = "".join(_rules(scope, side=0))
    dark = "".join(_rules(scope, side=1))
    return (
        f"{scope} text{{font-family:{FONT};white-space:pre}}{scope} .b{{font-weight:700}}"
        f"{scope} path,{scope} polyline{{fill:none;stroke-linejoin:round}}{light}"
        f"@media (prefers-color-scheme:dark){{{dark}}}"
    )


def _rules(scope: str, side: int) -> list[str]:
    return [
        f"{scope} .{role}{{fill:{colours[side]}}}{scope} .{role}-line{{stroke:{colours[side]}}}"
        for role, colours in PALETTE.items()
    ]
