"""Let tensors and graphs show themselves, in a notebook and to Karpathy's drawings; the front door says what draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

__all__ = ["Displayed", "Labelled"]


class _Draws(Protocol):
    def __call__(self, shown: Any) -> str: ...


class Displayed:
    """Something whose rich display is its picture."""

    __slots__ = ()

    drawer: ClassVar[_Draws]
    """Return the picture as SVG; set by `micrograd`, so that what is drawn need not know the drawer."""

    def _repr_svg_(self) -> str | None:
        return self.drawer(self)


class Labelled(Displayed):
    """What Karpathy's drawings read of a value: label, children, operation. They show constants as nodes."""

    __slots__ = ()

    if TYPE_CHECKING:
        row: Any
        _label: str

        @property
        def operands(self) -> tuple[Any, ...]: ...  # noqa: D102
        @property
        def args(self) -> tuple[Any, ...]: ...  # noqa: D102

    @property
    def label(self) -> str:
        """Return the name that a user gave; empty where none did."""
        return getattr(self, "_label", "")

    @label.setter
    def label(self, name: str) -> None:
        self._label = name  # type: ignore[misc]

    @property
    def _prev(self) -> set[Any]:
        kind: Any = type(self)
        return {kind(a) if o is None else o for o, a in zip(self.operands, self.args, strict=True)}

    @property
    def _op(self) -> str:
        return "" if self.row is None else str(self.row.label)

    def _assigned(self, _: Any) -> None:
        raise AttributeError(
            "_backward is not assigned here: backward() applies the rules of the table. For an operation of your own "
            "declare a row: Primitive(name, ..., vjp=(rule,))."
        )

    _backward = property(None, _assigned)

    @staticmethod
    def made_by_hand() -> Any:
        """Refuse ``Value(data, children, operation)``, as Karpathy's class is called inside of its operators."""
        raise TypeError(
            "Value(data, children, operation) makes a node by hand; here operations make them, a * b or np.exp(a). For "
            "an operation of your own declare a row: Primitive(name, ..., vjp=(rule,))."
        )
