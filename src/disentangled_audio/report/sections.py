"""Parts of the report that other pipelines or single recordings give it.

Each is a mapping that JSON can hold: sentences, pictures and players (`plots.page`).
"""

from collections import Counter
from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.parameters import Corpus, ViewParameters
from disentangled_audio.runs.provenance import check_same, stamp_of
from disentangled_audio.storage.hashing import short_hash

MOST_MISTAKES = 6
MOST_SWAPS = 6
# Columns of a spectrogram that can be told apart.
MOST_FRAMES = 400


def show_mistakes(
    predictions: pd.DataFrame,
    recordings: pd.DataFrame,
    waveforms: Any,
    corpus: Corpus,
    views: ViewParameters,
) -> dict[str, Any]:
    """The hybrid's most confident mistakes, to be seen and heard; or what it doubted most."""
    from disentangled_audio.evaluation.scores.mistakes import confident_mistakes, doubtful_hits
    from disentangled_audio.plots.recording import recording_figure
    from disentangled_audio.report.media import picture, player

    hashes = check_same(predictions, recordings, waveforms)
    items = confident_mistakes(predictions, HYBRID, MOST_MISTAKES)
    are_mistakes = not items.empty
    if not are_mistakes:
        items = doubtful_hits(predictions, HYBRID, MOST_MISTAKES)
    rows = pd.Index(recordings["recording_id"]).get_indexer(items["recording_id"])
    rate_hz = corpus.analysis.clip_rate_hz
    shown = []
    for row, item in zip(rows, items.to_dict("records"), strict=True):
        samples, is_response = waveforms[int(row)], item["kind"] == "rir"
        figure = recording_figure(sound_of(samples, rate_hz, views, is_response=is_response))
        text = "Spectrogram and " + ("energy decay" if is_response else "waveform")
        name = item["recording_id"]
        shown.append(
            {
                **item,
                "picture": picture(figure, f"{text} of {name}"),
                "player": player(samples, rate_hz, "as analysed"),
            }
        )
    return {"model": HYBRID, "are_mistakes": are_mistakes, "items": shown, **hashes}


def sound_of(samples: Any, rate_hz: int, views: ViewParameters, *, is_response: bool) -> Any:
    """A clip ready for `recording_figure`: its spectrogram, and of a response its decay."""
    import numpy as np

    from disentangled_audio.plots.recording import Sound
    from disentangled_audio.signal.clip import direct_sound_index
    from disentangled_audio.signal.decay import energy_decay_curve
    from disentangled_audio.signal.griffin_lim import short_time_spectra
    from disentangled_audio.signal.mel import relative_db

    window = max(2, round(views.window_s * rate_hz))
    hop = max(1, window // 8, len(samples) // MOST_FRAMES)
    spectra = short_time_spectra(samples[np.newaxis], window, hop, window // 2 + 1)[0]
    level_db = relative_db(np.abs(spectra) ** 2, (0, 1))
    decay_db = None
    if is_response and samples.any():
        decay_db = energy_decay_curve(samples[np.newaxis, direct_sound_index(samples) :])[0]
    return Sound(samples, rate_hz, level_db, views.dynamic_range_db, decay_db)


def show_codes(
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
    from disentangled_audio.evaluation.representation.swap_examples import shown_swaps, told_change
    from disentangled_audio.plots.disentanglement import leakage_figure
    from disentangled_audio.report.figures import swap_examples_figure
    from disentangled_audio.report.media import picture, player
    from disentangled_audio.report.sentences import on_codes, on_leakage, on_swaps

    hashes = check_same(leakage, codes, swap_examples, swap_spectra, swap_audio)
    figure = leakage_figure(leakage, simulated=corpus.simulated)
    sounds = swap_audio[:]
    rate_hz = swap_audio.attrs["sample_rate_hz"]
    swaps: list[dict[str, Any]] = []
    n_named: Counter[str] = Counter()
    for name, panels in shown_swaps(swap_examples)[:MOST_SWAPS]:
        n_named[name] += 1
        change = told_change(swap_examples, panels)
        swaps.append(
            {
                "name": f"{name}, example {n_named[name]}: {change}",
                "players": [player(sounds[row], rate_hz, text) for text, row in panels.items()],
            }
        )
    swap_figure = swap_examples_figure(swap_examples, swap_spectra, corpus, views)
    return {
        "codes": digest_of(codes),
        "said": [*on_leakage(leakage), *on_codes(disentanglement)],
        "heat_map": picture(
            figure, "Balanced accuracy of probes of each code for each factor, controls beneath."
        ),
        "swaps_said": on_swaps(disentanglement),
        "swaps": swaps,
        "swap_picture": picture(
            swap_figure, "Spectrograms of inputs, donors and what was decoded from their codes."
        ),
        "no_swap": swap_examples.attrs.get("reason", ""),
        **hashes,
    }


def digest_of(codes: pd.DataFrame) -> str:
    """By which codes are known again; those of another training differ."""
    return short_hash(int(pd.util.hash_pandas_object(codes, index=False).sum()))


def show_folds(
    metrics: dict[str, Any],
    leakage: pd.DataFrame,
    disentanglement: dict[str, Any],
    fold_runs: pd.DataFrame,
    corpus: Corpus,
) -> dict[str, Any]:
    """Models against controls over all folds, and what codes say, mean over folds."""
    from disentangled_audio.plots.cross_validation import fold_comparison_figure
    from disentangled_audio.report.figures import folds_leakage_figure
    from disentangled_audio.report.media import picture
    from disentangled_audio.report.sentences import on_folds

    heat_map = None
    if not leakage.empty:
        heat_map = picture(
            folds_leakage_figure(leakage, disentanglement, corpus),
            "The same as a mean over folds.",
        )
    return {
        "said": on_folds(metrics),
        "picture": picture(
            fold_comparison_figure(metrics),
            "Balanced accuracy of models and controls: mean over folds, each fold, interval.",
        ),
        "heat_map": heat_map,
        **stamp_of(fold_runs),
    }


def fresh(part: dict[str, Any], **known: str) -> dict[str, Any]:
    """A part as long as it belongs to what is reported; otherwise nothing."""
    return part if part and all(part.get(name) == value for name, value in known.items()) else {}
