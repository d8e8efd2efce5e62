"""Check a downloaded release of Pyodide: file names, versions and SHA-256 of everything that goes into a page.

Pyodide is CPython compiled to WebAssembly, with NumPy (https://pyodide.org). Its lock file, ``pyodide-lock.json``, has
the sums of the packages; those of Pyodide's own files stand here, as released. So does what the lock file says of this
release, so that a page without a downloaded release can check what it loads.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from micrograd.errors import GraphError

__all__ = ["ADDRESS", "LOCK", "SUMS", "VERSION", "Part", "Release", "public_parts", "release_in"]

VERSION = "0.27.7"
"""The release that micrograd is tested with."""
ADDRESS = f"https://cdn.jsdelivr.net/pyodide/v{VERSION}/full/"
"""Where Pyodide's makers publish it."""
SUMS = {
    "pyodide.js": "b4cb23a53aba19c221659b9fb40a2f18281d685691dc06647fb0afd0681baf98",
    "pyodide.asm.js": "6b4c90de5b7172873f04f21884d0e9d2274e305fe32116558fe3e4fbe3618d51",
    "pyodide.asm.wasm": "a50dd1843f805a0b7c45b61037ee0d7b26dfe85efe0e18ef95a34ad24e401f5f",
    "python_stdlib.zip": "16611534726e5d8ac2bd8f926410b2dcb8d6f49aa24913463533b457a2115c16",
}
"""SHA-256 of Pyodide's own files; the lock file has none of them."""
LOCK: dict[str, Any] = {
    "info": {
        "abi_version": "2024_0",
        "arch": "wasm32",
        "platform": "emscripten_3_1_58",
        "python": "3.12.7",
        "version": VERSION,
    },
    "packages": {
        "numpy": {
            "depends": [],
            "file_name": "numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl",
            "imports": ["numpy"],
            "install_dir": "site",
            "name": "numpy",
            "package_type": "package",
            "sha256": "ebb61241d962b98b21597d7ce43b67668a6d5bab3acec4fbe958657320d7cd08",
            "unvendored_tests": True,
            "version": "2.0.2",
        }
    },
}
"""What the lock file of the release says of itself and of the one package that is needed."""
_LOCK_FILE = "pyodide-lock.json"
_NUMPY = LOCK["packages"]["numpy"]
_FULL = (
    f"take the full release of Pyodide {VERSION} (pyodide-{VERSION}.tar.bz2 at github.com/pyodide/pyodide/releases), "
    "unpacked"
)


@dataclass(frozen=True, slots=True)
class Part:
    """One file that a page needs.

    Attributes:
        name: of the file.
        what: the project that it is of, with its version.
        sha256: of its content, in hexadecimal digits.
        content: None where the page loads it from `ADDRESS`.
    """

    name: str
    what: str
    sha256: str
    content: bytes | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """A downloaded release that has been checked.

    Attributes:
        folder: where it lies.
        parts: the files that a page needs.
    """

    folder: Path
    parts: tuple[Part, ...]


def public_parts() -> tuple[Part, ...]:
    """Return the files of the release, without their content: the page loads them and checks their sums.

    >>> [part.name for part in public_parts()][-1]
    'numpy-2.0.2-cp312-cp312-pyodide_2024_0_wasm32.whl'
    """
    own = tuple(Part(name, f"Pyodide {VERSION}", sha256) for name, sha256 in SUMS.items())
    return (*own, Part(_NUMPY["file_name"], f"NumPy {_NUMPY['version']}", _NUMPY["sha256"]))


def release_in(folder: str | os.PathLike[str]) -> Release:
    """Return the release in a folder, checked.

    Raises:
        GraphError: the folder holds no release, another one than `VERSION`, or a file that is not the released one;
            the message has what was found and what was expected.
        OSError: a file cannot be read.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise GraphError(f"{folder} is no folder with a release of Pyodide; {_FULL}.")
    _check_lock(folder)
    return Release(folder, tuple(_checked(folder, part) for part in public_parts()))


def _check_lock(folder: Path) -> None:
    """Compare the lock file with what is known of the release. Raises GraphError."""
    path = folder / _LOCK_FILE
    if not path.is_file():
        raise GraphError(f"{folder} has no {_LOCK_FILE}; {_FULL}.")
    try:
        lock = json.loads(path.read_bytes())
        info, numpy = lock["info"], lock["packages"].get("numpy")
        version = info["version"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise GraphError(f"{path} is not the lock file of a release of Pyodide; {_FULL}.") from None
    if version != VERSION:
        raise GraphError(f"{folder} holds Pyodide {version}; micrograd is tested with {VERSION}: {_FULL}.")
    found = {"info": info, "packages": {"numpy": numpy}}
    for name, got, wanted in (("info", info, LOCK["info"]), ("packages.numpy", numpy, _NUMPY)):
        if not isinstance(got, dict):
            raise GraphError(f"{path}: has no {name}; {_FULL}.")
        for key, value in wanted.items():
            if got.get(key) != value:
                raise GraphError(
                    f"{path}: {name}.{key} is {got.get(key)!r}; expected {value!r} in Pyodide {VERSION}: {_FULL}."
                )
    assert found.keys() == LOCK.keys()


def _checked(folder: Path, part: Part) -> Part:
    """Return the part with its content. Raises GraphError where it is missing or another file than the released one."""
    path = folder / part.name
    if not path.is_file():
        packages = " (Pyodide's package at npm and pyodide-core have no NumPy)" if part.what.startswith("NumPy") else ""
        raise GraphError(f"{folder} has no {part.name}{packages}; {_FULL}.")
    content = path.read_bytes()
    got = hashlib.sha256(content).hexdigest()
    if got != part.sha256:
        raise GraphError(
            f"{path} is not the file of {part.what}: its SHA-256 is {got}, expected {part.sha256}; {_FULL}."
        )
    return Part(part.name, part.what, part.sha256, content)
