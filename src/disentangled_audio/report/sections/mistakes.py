"""Single test items to see and hear."""

from typing import Any

import numpy as np
import pandas as pd

from disentangled_audio.evaluation.scores.summary import HYBRID
from disentangled_audio.parameters import Corpus, ViewParameters
from disentangled_audio.report import blocks
from disentangled_audio.report.media import picture, player
from disentangled_audio.report.names import label

MOST_MISTAKES = 6
# Columns of a spectrogram that can be told apart.
MOST_FRAMES = 400
HEARD = "They sound as they were analysed, made as loud as they can be."


def mistakes_section(
    predictions: pd.DataFrame,
    recordings: pd.DataFrame,
    waveforms: Any,
    corpus: Corpus,
    views: ViewParameters,
    target: str,
) -> dict[str, Any]:
    """The hybrid's most confident mistakes; or what it doubted most, where it made none."""
    from disentangled_audio.evaluation.scores.mistakes import confident_mistakes, doubtful_hits

    items = confident_mistakes(predictions, HYBRID, MOST_MISTAKES)
    are_mistakes = not items.empty
    if not are_mistakes:
        items = doubtful_hits(predictions, HYBRID, MOST_MISTAKES)
    rows = pd.Index(recordings["recording_id"]).get_indexer(items["recording_id"])
    rate_hz = corpus.analysis.clip_rate_hz
    articles = [
        _article(waveforms[int(row)], item, rate_hz, views, target, is_mistake=are_mistakes)
        for row, item in zip(rows, items.to_dict("records"), strict=True)
    ]
    if are_mistakes:
        said = f"Test items that {label(HYBRID)} named wrongly, those it was surest of first."
    else:
        said = (
            f"{label(HYBRID)} named every test item rightly. These are the ones it was least sure "
            "of."
        )
    return {"blocks": {"mistakes": [blocks.text(f"{said} {HEARD}"), *articles]}}


def _article(
    samples: Any,
    item: dict[str, Any],
    rate_hz: int,
    views: ViewParameters,
    target: str,
    *,
    is_mistake: bool,
) -> blocks.Block:
    from disentangled_audio.plots.recording import recording_figure

    is_response = item["kind"] == "rir"
    figure = recording_figure(sound_of(samples, rate_hz, views, is_response=is_response))
    text = "Spectrogram and " + ("energy decay" if is_response else "waveform")
    name = item["recording_id"]
    taken = [", taken for ", item["predicted"]] if is_mistake else ["", ""]
    facts = f", confidence {item['confidence']:.2f}; group {item['group']}, {item['kind']}"
    return {
        "kind": "article",
        "name": name,
        "text": [f"{target} ", item["target"], *taken, facts],
        "picture": picture(figure, f"{text} of {name}"),
        "player": player(samples, rate_hz, "as analysed"),
    }


def sound_of(samples: Any, rate_hz: int, views: ViewParameters, *, is_response: bool) -> Any:
    """A clip ready for `recording_figure`: its spectrogram, and of a response its decay."""
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
