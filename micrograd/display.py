"""Let tensors and graphs show themselves in a notebook: the front door says what draws them."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

__all__ = ["Displayed"]


class _Draws(Protocol):
    def __call__(self, shown: Any) -> str: ...


class Displayed:
    """Something whose rich display is its picture."""

    __slots__ = ()

    drawer: ClassVar[_Draws]
    """Return the picture as SVG; set by `micrograd`, so that what is drawn need not know the drawer."""

    def _repr_svg_(self) -> str | None:
        return self.drawer(self)
