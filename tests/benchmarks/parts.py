"""What a run has measured, kept in one file for each case, so that a run that was stopped can be taken up again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.worker import FAILED

__all__ = ["Parts"]


class Parts:
    """A folder of measurements by name."""

    def __init__(self, folder: Path, setting: Any, resume: bool) -> None:
        """`setting` says on what and how they were measured: what was measured otherwise is measured again."""
        self.folder, self.setting, self.resume = folder, setting, resume

    def kept(self, name: str, measure: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
        """The measurement of that name: the one that is kept, where the run resumes, else a new one, which is kept."""
        path = self.folder / (re.sub(r"[^\w.-]+", "_", name) + ".json")
        if self.resume and path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            if found["name"] == name and found["setting"] == self.setting:
                lines: list[dict[str, Any]] = found["lines"]
                return lines
        lines = measure()
        if any(
            "failed" in line or any(why.startswith(FAILED) for why in line.get("missing", {}).values())
            for line in lines
        ):
            return lines  # to be measured again
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {"name": name, "setting": self.setting, "lines": lines}
        path.write_text(json.dumps(content), encoding="utf-8")
        return lines
