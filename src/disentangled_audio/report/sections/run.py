"""Section of the run: versions, times, training and parameters."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from disentangled_audio.report import blocks
from disentangled_audio.report.media import picture
from disentangled_audio.report.names import pretrained_facts
from disentangled_audio.storage.dotted import dotted

TRAINING = "Training and validation loss by epoch, one panel per term; best epoch and refit marked."


def run_section(
    facts: Mapping[str, Any], written_by: str, history: pd.DataFrame, *, simulated: bool
) -> dict[str, Any]:
    """Describe the run that made the predictions, and the training.

    `facts` is its manifest (all but ``run_id`` may be missing); `written_by` writes the page.
    """
    return {
        "blocks": {
            "parameters": [
                *_origin(facts, written_by),
                *_times(facts),
                *_training(history, simulated=simulated),
                *_parameters(dotted(facts.get("parameters") or {})),
            ]
        }
    }


def _origin(facts: Mapping[str, Any], written_by: str) -> Iterator[blocks.Block]:
    known = []
    if facts.get("python"):
        git = facts.get("git")
        changed = ", with changes" if git and git["changed"] else ""
        known = [
            ("revision", f"{git['revision']}{changed}" if git else "not a git checkout"),
            ("Python", f"{facts['python']} on {facts['machine']}"),
        ]
    yield blocks.facts([("run", facts["run_id"]), *known, ("page written by run", written_by)])
    if not known:
        yield blocks.text("That run left no manifest, so nothing more is known about it.")


def _times(facts: Mapping[str, Any]) -> Iterator[blocks.Block]:
    if facts.get("pretrained"):
        weights = pretrained_facts(facts["pretrained"])
        yield blocks.pairs(weights, "Pretrained weights", ("fact", "value"))
    if facts.get("packages"):
        columns = ("package", "version")
        yield blocks.pairs(facts["packages"].items(), "Versions of packages", columns)
    if facts.get("seconds"):
        yield blocks.table(
            ("step", "time (s)"),
            (
                [step, f"{seconds:.1f}"]
                for step, seconds in sorted(facts["seconds"].items(), key=lambda one: -one[1])
            ),
            "Seconds per step of the run, longest first",
            is_code=True,
        )


def _training(history: pd.DataFrame, *, simulated: bool) -> Iterator[blocks.Block]:
    from disentangled_audio.plots.training import training_curves_figure

    yield blocks.heading("Training")
    figure = training_curves_figure(history, simulated=simulated)
    yield blocks.picture_block(picture(figure, TRAINING))


def _parameters(values: Mapping[str, Any]) -> Iterator[blocks.Block]:
    if not values:
        return
    yield blocks.heading("Parameters")
    table = blocks.pairs(values.items(), "All parameters of the run", ("parameter", "value"))
    yield blocks.folded(f"All {len(values)} parameters of the run", [table])
