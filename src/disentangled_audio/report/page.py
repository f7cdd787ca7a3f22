"""One self-contained HTML page: the answer first, then what it rests on."""

from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader

TEMPLATE = "page.html"
# The parts of the page, in the order in which one asks.
PARTS = {
    "asked": "What was asked",
    "answer": "The answer",
    "comparison": "Models against controls",
    "models": "The three plots of each model",
    "audit": "Shortcut audit",
    "disentanglement": "What the codes say",
    "latent": "Maps of the codes",
    "swaps": "Swaps to hear",
    "reliability": "Reliability",
    "rejected": "What was rejected",
    "mistakes": "The most confident mistakes",
    "ablation": "Ablation",
    "parameters": "Parameters, versions, times",
    "card": "Model card",
}


def render_page(title: str, sections: Iterable[Mapping[str, Any]]) -> str:
    """Render the report as one HTML page with nothing outside it.

    Parameters
    ----------
    title : str
    sections : iterable of mappings
        Each has ``blocks`` (made by `report.blocks`), by the part of the page where they stand. A
        part shows the blocks of one section after those of the section before it.

    Returns
    -------
    str
        HTML. All text from outside is escaped.

    Raises
    ------
    KeyError
        If a section has blocks for a part that the page does not have.
    """
    blocks: dict[str, list[Any]] = {anchor: [] for anchor in PARTS}
    for section in sections:
        for anchor, added in section["blocks"].items():
            blocks[anchor] += added
    template = _environment().get_template(TEMPLATE)
    return template.render(title=title, parts=PARTS, blocks=blocks)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("disentangled_audio", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
