"""Adapters of representation learning."""

from typing import Any

import pandas as pd

from disentangled_audio.parameters import DisentanglerParameters
from disentangled_audio.pipelines.progress import epoch_progress
from disentangled_audio.pipelines.stamps import check_same, stamp
from disentangled_audio.pipelines.tables import probability_table, training_classes

CODES = ("content", "rhythm", "pitch", "timbre")


def train_disentangler_on_views(
    log_mel: Any,
    content_view: Any,
    rhythm_view: Any,
    pitch_view: Any,
    splits: pd.DataFrame,
    parameters: DisentanglerParameters,
    seed: int,
) -> tuple[Any, pd.DataFrame]:
    """Train encoders, decoder and head on training rows; stop early on validation rows.

    Unlabelled rows are training rows whose class nobody knows: they are only rebuilt.
    """
    from disentangled_audio.models.training import NO_LABEL, train_disentangler

    sources = (log_mel, content_view, rhythm_view, pitch_view, splits)
    check_same(*sources)
    classes = training_classes(splits)
    role = splits["role"].to_numpy()
    used = splits["role"].isin(["train", "validation", "unlabelled"]).to_numpy()
    # Test rows stay out of reach: the trainer is handed the others alone.
    views = _views(log_mel, content_view, rhythm_view, pitch_view, rows=used)
    number_of = {name: number for number, name in enumerate(classes)}
    labels = splits.loc[used, "target"].map(number_of).fillna(NO_LABEL).to_numpy(dtype=int)
    with epoch_progress(parameters.epochs) as progress:
        model, history = train_disentangler(
            views,
            labels,
            role[used] != "validation",
            role[used] == "validation",
            len(classes),
            parameters,
            seed,
            progress=progress,
        )
    return stamp(model, *sources), stamp(history, *sources)


def encode_views(
    disentangler: Any,
    log_mel: Any,
    content_view: Any,
    rhythm_view: Any,
    pitch_view: Any,
    splits: pd.DataFrame,
    parameters: DisentanglerParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Codes and class probabilities of every item."""
    import numpy as np

    from disentangled_audio.models.training import encode

    sources = (disentangler, log_mel, content_view, rhythm_view, pitch_view, splits)
    check_same(*sources)
    views = _views(log_mel, content_view, rhythm_view, pitch_view, rows=np.arange(len(splits)))
    encoded = encode(disentangler, views, parameters.batch_size)
    codes = pd.DataFrame(
        {
            f"{name}_{number:02d}": encoded[name][:, number]
            for name in CODES
            if name in encoded
            for number in range(encoded[name].shape[1])
        }
    )
    codes.insert(0, "recording_id", splits["recording_id"].to_numpy())
    probabilities = probability_table(
        splits["recording_id"], encoded["target"], training_classes(splits)
    )
    return stamp(codes, *sources), stamp(probabilities, *sources)


def _views(
    log_mel: Any, content_view: Any, rhythm_view: Any, pitch_view: Any, *, rows: Any
) -> dict[str, Any]:
    return {
        "log_mel": log_mel[...][rows],
        "content_view": content_view[...][rows],
        "rhythm_view": rhythm_view[...][rows],
        "pitch_view": pitch_view[...][rows],
    }
