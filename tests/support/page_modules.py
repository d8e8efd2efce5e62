"""JavaScript modules of a page: what they import, export and declare, and whether node and tsc accept them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed: the syntax of the script was not checked")
TSC = os.environ.get("TSC") or shutil.which("tsc")
needs_tsc = pytest.mark.skipif(
    TSC is None, reason="tsc is not installed (TSC names it): the types of the script were not checked"
)

IMPORT = re.compile(r"^import \{([^}]*)\} from '([^']*)';\n", re.MULTILINE)
TOP_LEVEL = re.compile(r"^(?:export )?(?:const|let|(?:async )?function) (?:(\w+)|\{([^}]*)\})", re.MULTILINE)
FUNCTION = re.compile(
    r"(\*/\n)?^(?:export )?(?:(?:async )?function (\w+)\((.*)\) \{$|const (\w+) = (?:\(([^=\n]*?)\)|(\w+)) =>)",
    re.MULTILINE,
)


def names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def declared(text: str) -> list[str]:
    """The names that a module declares at its top."""
    return [name for one, many in TOP_LEVEL.findall(text) for name in ([one] if one else names(many))]


def exported(text: str) -> list[str]:
    return declared("".join(line for line in text.splitlines(keepends=True) if line.startswith("export ")))


def target(pages: Path, module: str, path: str) -> str:
    """The path of a module that another one names."""
    return ((pages / module).parent / path).resolve().relative_to(pages.resolve()).as_posix()


def checked(text: str, *options: str) -> str:
    """What node says against a script's syntax."""
    command = [NODE or "node", *options, "--check", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    return done.stderr if done.returncode else ""


def undefined_imports(pages: Path, modules: dict[str, str]) -> list[str]:
    """What is imported from a module that does not export it."""
    return [
        f"{module}: {name}"
        for module, text in modules.items()
        for listed, path in IMPORT.findall(text)
        for name in names(listed)
        if name not in exported(modules[target(pages, module, path)])
    ]


def untyped(text: str) -> list[str]:
    """The functions at the top of a module, and their parameters, that no comment ahead of them describes."""
    found = []
    for match in FUNCTION.finditer(text):
        name, given = match[2] or match[4], match[3] or match[5] or match[6] or ""
        comment = text[: match.start()].rpartition("/**")[2] if match[1] else ""
        if not comment:
            found.append(name)
            continue
        parameters = re.findall(r"@param \{[^\n]*\} \[?(?:\.\.\.)?(\w+)", comment)
        wanted = re.sub(
            r"\{[^{}]*\}", "options", given
        )  # a parameter that is taken apart has a name in the comment only
        if len(parameters) != len(names(wanted)):
            found.append(f"{name}({given})")
    return found


def type_errors(folder: Path, pages: Path, declared: str = "", entries: tuple[str, ...] = ("*.js",)) -> str:
    """What the TypeScript compiler says against the modules, by the types in their comments."""
    (folder / "rules.d.ts").write_text(declared, encoding="utf-8")
    options = {
        "allowJs": True, "checkJs": True, "noEmit": True, "strict": True, "target": "es2023", "module": "es2022",
        "moduleResolution": "bundler", "lib": ["es2023", "dom", "dom.iterable"], "types": [], "noUnusedLocals": True,
        "noUnusedParameters": True,
    }  # fmt: skip
    listed = {
        "compilerOptions": options,
        "files": [*(str(path) for glob in entries for path in sorted(pages.glob(glob))), "rules.d.ts"],
    }
    (folder / "tsconfig.json").write_text(json.dumps(listed), encoding="utf-8")
    command = [str(TSC), "-p", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
