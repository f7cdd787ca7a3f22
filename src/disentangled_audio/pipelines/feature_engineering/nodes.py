"""Adapters of feature engineering."""

from typing import Any

import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import (
    AugmentationParameters,
    Corpus,
    FourierParameters,
    ViewParameters,
)
from disentangled_audio.pipelines.arrays import chunked
from disentangled_audio.pipelines.stamps import check_same, stamp
from disentangled_audio.pipelines.tables import feature_table


def compute_spectra(waveforms: Any, fourier: FourierParameters) -> Any:
    """Log magnitude spectrum of every clip; fits nothing."""
    from disentangled_audio.signal.fourier import log_spectrum

    return stamp(chunked(log_spectrum(waveforms[...], fourier.floor_db)), waveforms)


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

    from disentangled_audio.signal.augment import augment, jitter
    from disentangled_audio.signal.clip import normalise_energy
    from disentangled_audio.signal.fourier import log_spectrum

    hashes = (waveforms, splits, fourier_pca)
    check_same(*hashes)
    rng = np.random.default_rng(seed)
    training = (splits["role"] == "train").to_numpy()
    clips = waveforms[...][np.repeat(np.flatnonzero(training), augmentation.copies)]
    recording_id = splits.loc[training, "recording_id"].repeat(augmentation.copies)
    if not len(clips):
        empty = np.empty((0, fourier.n_components))
        return stamp(feature_table(recording_id, empty, "pc"), *hashes)
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
    features = jitter(features, augmentation.pca_jitter * spread, rng)
    return stamp(feature_table(recording_id, features, "pc"), *hashes)


def make_encoder_views(
    waveforms: Any, corpus: Corpus, views: ViewParameters
) -> tuple[Any, Any, Any, Any]:
    """What the decoder rebuilds and each encoder sees; every row from its own clip alone."""
    from disentangled_audio.models.views import VIEW_NAMES, make_views

    made = make_views(waveforms[...], corpus.analysis.clip_rate_hz, views)
    return tuple(stamp(chunked(made[name]), waveforms) for name in VIEW_NAMES)
