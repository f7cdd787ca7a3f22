"""Adapters of feature engineering."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import (
    AugmentationParameters,
    Corpus,
    FourierParameters,
    ParallelParameters,
    ViewParameters,
)
from disentangled_audio.pipelines.arrays import computed
from disentangled_audio.pipelines.stamps import check_same, stamp
from disentangled_audio.pipelines.tables import feature_table

# Bounds the memory that copies take.
COPIES_AT_ONCE = 1024


def compute_spectra(
    waveforms: Any, fourier: FourierParameters, chunks: Path, parallel: ParallelParameters
) -> Any:
    """Log magnitude spectrum of every clip; fits nothing."""
    from disentangled_audio.signal.fourier import log_spectrum

    work = partial(log_spectrum, floor_db=fourier.floor_db)
    made = computed("fourier_spectra", waveforms, work, fourier.floor_db, chunks, parallel)
    return stamp(made["fourier_spectra"], waveforms)


def fit_fourier_pca(
    spectra: Any, splits: pd.DataFrame, fourier: FourierParameters, seed: int
) -> Any:
    """Fit scaler and PCA on the training rows."""
    from disentangled_audio.models.streaming_pca import fit_scaled_pca

    check_same(spectra, splits)
    training = (splits["role"] == "train").to_numpy()
    most = min(int(training.sum()), spectra.shape[1])
    if fourier.n_components > most:
        raise UserError(
            f"fourier.n_components={fourier.n_components} is more than the {most} that "
            f"{training.sum()} training rows allow; lower it to {most} or less"
        )
    model = fit_scaled_pca(spectra, training, fourier.n_components, fourier.max_exact_rows, seed)
    return stamp(model, spectra, splits)


def project_spectra(spectra: Any, recordings: pd.DataFrame, fourier_pca: Any) -> pd.DataFrame:
    """Fourier features of every item."""
    from disentangled_audio.models.streaming_pca import project

    features = project(fourier_pca, spectra)
    return stamp(
        feature_table(recordings["recording_id"], features, "pc"), fourier_pca, spectra, recordings
    )


def augment_training_rows(
    waveforms: Any,
    splits: pd.DataFrame,
    fourier_pca: Any,
    fourier: FourierParameters,
    augmentation: AugmentationParameters,
    corpus: Corpus,
    seed: int,
) -> pd.DataFrame:
    """Fourier features of changed copies of the training rows."""
    import numpy as np

    hashes = (waveforms, splits, fourier_pca)
    check_same(*hashes)
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(splits["role"] == "train").repeat(augmentation.copies)
    if len(rows) > augmentation.max_rows:
        rows = np.sort(rng.choice(rows, augmentation.max_rows, replace=False))
    features = [np.empty((0, fourier.n_components))]
    for start in range(0, len(rows), COPIES_AT_ONCE):
        clips = waveforms.oindex[rows[start : start + COPIES_AT_ONCE]]
        features.append(_changed_features(clips, fourier_pca, fourier, augmentation, corpus, rng))
    recording_id = splits["recording_id"].iloc[rows]
    return stamp(feature_table(recording_id, np.concatenate(features), "pc"), *hashes)


def _changed_features(
    clips: Any,
    fourier_pca: Any,
    fourier: FourierParameters,
    augmentation: AugmentationParameters,
    corpus: Corpus,
    rng: Any,
) -> Any:
    """Fourier features of clips after random changes."""
    import numpy as np

    from disentangled_audio.signal.augment import augment, jitter
    from disentangled_audio.signal.clip import normalise_energy
    from disentangled_audio.signal.fourier import log_spectrum

    changed = augment(
        clips,
        corpus.analysis.clip_rate_hz,
        rng,
        snr_db=(augmentation.min_snr_db, augmentation.max_snr_db),
        max_gain_db=augmentation.max_gain_db,
        max_shift_s=augmentation.max_shift_s,
        max_speed_change=augmentation.max_speed_change,
        max_tilt_db_per_octave=augmentation.max_tilt_db_per_octave,
    )
    if corpus.analysis.normalise_energy:
        changed = normalise_energy(changed)
    features = fourier_pca.transform(log_spectrum(changed, fourier.floor_db))
    spread = np.sqrt(fourier_pca[-1].explained_variance_)
    return jitter(features, augmentation.pca_jitter * spread, rng)


def make_encoder_views(
    waveforms: Any,
    corpus: Corpus,
    views: ViewParameters,
    chunks: Path,
    parallel: ParallelParameters,
) -> tuple[Any, Any, Any, Any]:
    """What the decoder rebuilds and each encoder sees; every row from its own clip alone."""
    from disentangled_audio.models.views import VIEW_NAMES, make_views

    rate_hz = corpus.analysis.clip_rate_hz
    work = partial(make_views, sample_rate_hz=rate_hz, parameters=views)
    parameters = [rate_hz, views.model_dump()]
    made = computed("views", waveforms, work, parameters, chunks, parallel)
    return tuple(stamp(made[name], waveforms) for name in VIEW_NAMES)
