"""Sphinx: `make docs` builds the site into build/docs."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))

from api_pages import write_api_pages
from parameters_page import parameters_page
from results_pages import write_results_pages

from disentangled_audio import __version__

project = "Disentangled Audio"
author = "The Disentangled Audio maintainers"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
# Included by pages, and not pages themselves.
exclude_patterns = ["generated/*.md"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4

highlight_language = "text"

html_theme = "furo"
html_title = f"{project} {release}"

napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = False
napoleon_use_ivar = True
# Docstrings say shapes and words where Sphinx looks for types; names of this project must be found.
nitpick_ignore_regex = [(r"py:.*", r"(?!disentangled_audio).*")]
autodoc_typehints = "none"
autodoc_member_order = "bysource"
# scikit-learn adds these to estimators, with references into its own site.
autodoc_default_options = {
    "exclude-members": ", ".join(
        f"set_{method}_request"
        for method in ("fit", "partial_fit", "predict", "predict_proba", "score", "transform")
    )
}

# The pages that are made from code and from files of results; git ignores the folder.
GENERATED = DOCS / "generated"
GENERATED.mkdir(exist_ok=True)
(GENERATED / "parameters.md").write_text(parameters_page(), encoding="utf-8")
write_api_pages(GENERATED / "api")
write_results_pages(DOCS / "results", GENERATED)
