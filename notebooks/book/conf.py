"""How Sphinx makes the book: the chapters of `chapters.py`, and the API reference from the docstrings.

Nothing is executed, and `make book` treats every warning as an error.  A reader's browser fetches nothing from elsewhere
but the badges' picture.
"""

from __future__ import annotations

import sys
from pathlib import Path

import tarot_lite

sys.path.insert(0, str(Path(__file__).parent))  # for chapters.read

project = "tarot_lite"
author = "The tarot_lite authors"
version = release = tarot_lite.__version__
language = "en"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
templates_path = ["templates"]
exclude_patterns = ["templates"]

# Chapters: outputs as they are; a drop-down list of ipywidgets needs a kernel, its folded form does not.
nb_custom_formats = {".ipynb": ["chapters.read", {}]}
nb_execution_mode = "off"
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
myst_heading_anchors = 3

# Reference: what a room names in __all__, what any other module defines without an underscore, in the order of its source;
# a name in `backticks` is a link where it can be.
autodoc_default_options = {"members": True, "no-value": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autosummary_generate = True
autosummary_ignore_module_all = False
default_role = "py:obj"
viewcode_follow_imported_members = False  # its links back to a re-exported name would be dead
napoleon_google_docstring = False
napoleon_use_rtype = False
python_use_unqualified_type_names = True
suppress_warnings = ["ref.python"]  # a class that a package re-exports has two addresses, both right

html_title = "tarot_lite"
html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_copy_source = False
html_show_copyright = html_show_sphinx = False
