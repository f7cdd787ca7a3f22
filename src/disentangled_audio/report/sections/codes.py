"""What the codes say, maps of them, and swaps to see and hear."""

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
    "Content is meant to say which class, rhythm how the sound goes on in time, pitch its "
    "fundamental or resonances. Probes name each factor from each code. What an untrained encoder, "
    "or the spectrogram itself, tells as well is due to what the encoder may see, not to what it "
    "has learned. One-hot rows are what a code that holds its own factor and nothing else tells of "
    "the others."
)
SWAPS = (
    "One code is taken from another clip and the result decoded: what that code carries should "
    "follow. All sounds come from spectrograms, real ones too, so that they differ by the codes "
    "alone. “Read as” is what a reader says of it that learned from spectrograms of training "
    "recordings; low, middle and high are thirds of these."
)


def codes_section(
    leakage: pd.DataFrame,
    disentanglement: dict[str, Any],
    codes: pd.DataFrame,
    swap_examples: pd.DataFrame,
    swap_spectra: Any,
    swap_audio: Any,
    corpus: Corpus,
    views: ViewParameters,
) -> dict[str, Any]:
    """What the codes say beside controls, in words and as a heat map; swaps to see and hear."""
    from disentangled_audio.plots.disentanglement import leakage_figure

    heat_map = leakage_figure(leakage, simulated=corpus.simulated)
    return {
        "codes": digest_of(codes),
        "blocks": {
            "disentanglement": [
                blocks.text(CODES),
                blocks.sentences([*on_leakage(leakage), *on_codes(disentanglement)]),
                blocks.picture_block(
                    picture(
                        heat_map,
                        "Balanced accuracy of probes of each code for each factor, controls "
                        "beneath.",
                    )
                ),
            ],
            "swaps": _swaps(
                swap_examples, swap_spectra, swap_audio, corpus, views, on_swaps(disentanglement)
            ),
        },
    }


def missing_codes(options: str) -> dict[str, Any]:
    """How to get what `codes_section` would say."""
    line = f"kedro run --pipelines=disentanglement,reporting{options}"
    return {
        "blocks": {
            "disentanglement": [
                blocks.command(
                    line,
                    "The codes of these models have not been measured. For heat map and swaps:",
                )
            ],
            "swaps": [
                blocks.command(line, "No codes have been swapped between recordings yet. To do so:")
            ],
        }
    }


def maps_section(codes: pd.DataFrame, factor_table: pd.DataFrame, corpus: Corpus) -> dict[str, Any]:
    """Maps of the codes, and which codes the page is about."""
    figure = figures.codes_figure(codes, factor_table, corpus)
    text = "First two principal components of each code, coloured by each factor."
    return {
        "codes": digest_of(codes),
        "blocks": {
            "latent": [
                blocks.text(
                    "Each point is a recording. The colours of a class are the same in every "
                    "figure."
                ),
                blocks.picture_block(picture(figure, text)),
            ]
        },
    }


def digest_of(codes: pd.DataFrame) -> str:
    """By which codes are known again; those of another training differ."""
    return short_hash(int(pd.util.hash_pandas_object(codes, index=False).sum()))


def _swaps(
    examples: pd.DataFrame,
    spectra: Any,
    audio: Any,
    corpus: Corpus,
    views: ViewParameters,
    said: str,
) -> list[blocks.Block]:
    from disentangled_audio.evaluation.representation.swap_examples import (
        describe_change,
        shown_swaps,
    )

    if examples.empty:
        return [blocks.text(f"No example: {examples.attrs['reason']}.")]
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
    text = "Spectrograms of inputs, donors and what was decoded from their codes."
    return [blocks.text(f"{SWAPS} {said}"), *swaps, blocks.picture_block(picture(figure, text))]
