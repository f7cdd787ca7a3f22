"""Sections about the codes: what they contain, maps of them, and swaps to see and hear."""

from collections import Counter
from typing import Any

import pandas as pd

from disentangled_audio.parameters import Corpus, ViewParameters
from disentangled_audio.report import blocks, figures
from disentangled_audio.report.media import picture, player
from disentangled_audio.report.sentences import on_codes, on_leakage, on_swaps
from disentangled_audio.storage.hashing import short_hash

MOST_SWAPS = 6
CODES = (
    "The content code should describe the class, the rhythm code how the sound evolves in time, "
    "and the pitch code its fundamental or resonances. Probes predict each factor from each code. "
    "If an untrained encoder or the raw spectrogram does as well, the input view, not training, "
    "explains the score. One-hot rows show how well a code that contains its own factor and "
    "nothing else predicts the other factors."
)
SWAPS = (
    "Each example takes one code from another clip and decodes the result: the attribute that the "
    "code carries should change with it. All sounds, the real ones too, are rebuilt from "
    "spectrograms, so that only the codes make a difference. “Read as” is the answer of a reader, "
    "a classifier trained on spectrograms of the training recordings; low, middle and high are "
    "thirds of the training recordings."
)


def codes_section(
    leakage: pd.DataFrame,
    disentanglement: dict[str, Any],
    codes: pd.DataFrame,
    swaps: tuple[pd.DataFrame, Any, Any],
    corpus: Corpus,
    views: ViewParameters,
) -> dict[str, Any]:
    """Show what the codes contain beside controls, and swaps (table, spectra, sounds)."""
    from disentangled_audio.plots.disentanglement import leakage_figure

    heat_map = leakage_figure(leakage, simulated=corpus.simulated)
    text = "Balanced accuracy of probes that predict each factor from each code; controls below."
    return {
        "codes": digest_of(codes),
        "blocks": {
            "disentanglement": [
                blocks.text(CODES),
                blocks.sentences([*on_leakage(leakage), *on_codes(disentanglement)]),
                blocks.picture_block(picture(heat_map, text)),
            ],
            "swaps": _swaps(*swaps, corpus, views, on_swaps(disentanglement)),
        },
    }


def missing_codes(options: str) -> dict[str, Any]:
    """Tell how to get what `codes_section` shows."""
    line = f"kedro run --pipelines=disentanglement,reporting{options}"
    codes = "The codes of these models have not been measured. To measure and swap them:"
    swaps = "No codes have been swapped between recordings yet. To do so:"
    parts = {"disentanglement": codes, "swaps": swaps}
    return {"blocks": {part: [blocks.command(line, words)] for part, words in parts.items()}}


def maps_section(codes: pd.DataFrame, factor_table: pd.DataFrame, corpus: Corpus) -> dict[str, Any]:
    """Show maps of the codes, and identify the codes of this page."""
    figure = figures.codes_figure(codes, factor_table, corpus)
    text = "First two principal components of each code, coloured by each factor."
    return {
        "codes": digest_of(codes),
        "blocks": {
            "latent": [
                blocks.text("Each point is a recording. A class has the same colour everywhere."),
                blocks.picture_block(picture(figure, text)),
            ]
        },
    }


def digest_of(codes: pd.DataFrame) -> str:
    """Hash that identifies codes; those of another training differ."""
    return short_hash(int(pd.util.hash_pandas_object(codes, index=False).sum()))


def _swaps(
    examples: pd.DataFrame,
    spectra: Any,
    audio: Any,
    corpus: Corpus,
    views: ViewParameters,
    summary: str,
) -> list[blocks.Block]:
    from disentangled_audio.evaluation.representation.swap_examples import (
        describe_change,
        shown_swaps,
    )

    if examples.empty:
        return [blocks.text(f"There is no example: {examples.attrs['reason']}.")]
    sounds, rate_hz = audio[:], audio.attrs["sample_rate_hz"]
    swaps: list[blocks.Block] = []
    n_named: Counter[str] = Counter()
    for name, panels in shown_swaps(examples)[:MOST_SWAPS]:
        n_named[name] += 1
        change = describe_change(examples, panels)
        swaps.append(
            {
                "kind": "swap",
                "name": f"{name}, example {n_named[name]}: {change}",
                "players": [player(sounds[row], rate_hz, text) for text, row in panels.items()],
            }
        )
    figure = figures.swap_examples_figure(examples, spectra, corpus, views)
    text = "Spectrograms of inputs, donors and the clips decoded from their codes."
    return [blocks.text(f"{SWAPS} {summary}"), *swaps, blocks.picture_block(picture(figure, text))]
