"""Sphinx: `make docs` builds the site into build/docs."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent / "benchmarks")]

from parameters_page import parameters_page  # noqa: E402
from results_pages import write_results_pages  # noqa: E402

from disentangled_audio import __version__  # noqa: E402

project = "Disentangled Audio"
author = "The Disentangled Audio maintainers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["generated/results_*"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"{project} {release}"

napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"

# The pages that are made from code and from files of results; git ignores the folder.
GENERATED = DOCS / "generated"
GENERATED.mkdir(exist_ok=True)
(GENERATED / "parameters.md").write_text(parameters_page(), encoding="utf-8")
write_results_pages(DOCS / "results", GENERATED)
