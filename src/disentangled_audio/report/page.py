"""The report as one self-contained HTML page: the answer first, then the evidence."""

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader

TEMPLATE = "page.html"
# Parts of the page in reading order.
PARTS = {
    "asked": "The question",
    "answer": "The answer",
    "comparison": "Models, shortcuts and baselines",
    "models": "Each model in three plots",
    "audit": "Shortcut audit",
    "disentanglement": "What the codes contain",
    "latent": "Maps of the codes",
    "swaps": "Swapped codes to hear",
    "reliability": "Reliability",
    "rejected": "Rejected recordings",
    "mistakes": "The most confident mistakes",
    "ablation": "Ablation",
    "parameters": "Parameters, versions, times",
    "card": "Model card",
}


def render_page(title: str, sections: Iterable[Mapping[str, Any]]) -> str:
    """Render the report as one HTML page that loads nothing else.

    Parameters
    ----------
    title : str
    sections : iterable of mappings
        Each has ``blocks`` (made by `report.blocks`) by part of the page. A part shows the blocks
        of all sections in their order.

    Returns
    -------
    str
        HTML, with all text escaped.

    Raises
    ------
    KeyError
        If a section has blocks for an unknown part.
    """
    blocks: dict[str, list[Any]] = {anchor: [] for anchor in PARTS}
    for section in sections:
        for anchor, added in section["blocks"].items():
            blocks[anchor] += added
    loader = PackageLoader("disentangled_audio", "report")
    environment = Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.get_template(TEMPLATE)
    return template.render(title=title, parts=PARTS, blocks=blocks)
