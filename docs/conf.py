"""Sphinx builds the pages; MyST-NB runs those that carry code. `make docs` treats a warning as an error."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import micrograd

# A profile of its own for the kernels: no personal settings reach the pages, and only errors are printed.
_profile = Path(__file__).parent / "_build" / "ipython" / "profile_default"
_profile.mkdir(parents=True, exist_ok=True)
(_profile / "ipython_kernel_config.py").write_text("get_config().Application.log_level = 40\n", encoding="utf-8")
os.environ["IPYTHONDIR"] = str(_profile.parent)
logging.getLogger("traitlets").setLevel(logging.WARNING)

project = "micrograd"
author = "micrograd contributors"
copyright = "2026, micrograd contributors"
version = release = micrograd.__version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))  # what the pages of the book are made with
extensions = ["book", "myst_nb"]
extensions += ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
exclude_patterns = ["_build", "jupyter_execute", "README.md", "**/README.md"]
default_role = "code"  # single backticks in docstrings mean code

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_title = f"micrograd {version}"

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes as a list: those that are properties too are described once

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 120
nb_execution_excludepatterns = ["_build/*"]
