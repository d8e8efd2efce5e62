"""Take the pictures of README in the system's Chromium: a step of a walk, and a marked homework.

`PYTHONPATH=tests/support python tests/support/page_pictures.py` writes docs/images/walk.png and check.png, light and
dark.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from browsing import chromium

ROOT = Path(__file__).parent.parent.parent
IMAGES = ROOT / "docs" / "images"
SIZES = {"walk": {"width": 1024, "height": 660}, "check": {"width": 1024, "height": 920}}


def pages(folder: Path) -> dict[str, str]:
    """Write both pages, and return their addresses by the names of their pictures."""
    command = [sys.executable, "-m", "micrograd"]
    walk, check = folder / "walk.html", folder / "check.html"
    function = "examples/bn.py:batchnorm_forward"
    subprocess.run([*command, "walk", function, "--input", "x=4x3", "-o", str(walk)], cwd=ROOT, check=True)
    subprocess.run([*command, "check", "examples/homework.py", "-o", str(check)], cwd=ROOT, check=False)
    return {"walk": f"{walk.as_uri()}#step=20", "check": check.as_uri()}


def main() -> None:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, address in pages(Path(folder)).items():
            for scheme in ("light", "dark"):
                page = browser.new_context(
                    viewport=SIZES[name], device_scale_factor=1.25, color_scheme=scheme
                ).new_page()
                page.goto(address)
                page.wait_for_timeout(400)
                page.evaluate(
                    "document.querySelector('#language').hidden = true"
                )  # its letters need a font of their own
                page.evaluate(
                    "for (const box of document.querySelectorAll('#check')) box.scrollTop = 116"
                )  # to the finding
                page.screenshot(path=IMAGES / f"{name}{'-dark' if scheme == 'dark' else ''}.png")
        browser.close()


if __name__ == "__main__":
    main()
