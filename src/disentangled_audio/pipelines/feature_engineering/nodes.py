"""Nodes of feature engineering."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from disentangled_audio.errors import UserError
from disentangled_audio.models.arrays import computed, note_windows, windows_of
from disentangled_audio.models.feature_values import (
    ROWS_AT_ONCE,
    acoustic_measures,
    recorded_samples,
    view_summaries,
)
from disentangled_audio.models.tables import feature_table
from disentangled_audio.parameters import (
    AcousticParameters,
    AugmentationParameters,
    CepstraParameters,
    Corpus,
    FourierParameters,
    ParallelParameters,
    ViewParameters,
)
from disentangled_audio.runs.provenance import check_same, stamp


def compute_spectra(
    waveforms: Any, fourier: FourierParameters, chunks: Path, parallel: ParallelParameters
) -> Any:
    """Compute the log magnitude spectrum of every clip."""
    from disentangled_audio.signal.fourier import log_spectrum

    work = partial(log_spectrum, floor_db=fourier.floor_db)
    made = computed("fourier_spectra", waveforms, work, fourier.floor_db, chunks, parallel)
    return stamp(made["fourier_spectra"], waveforms)


def fit_fourier_pca(
    spectra: Any, splits: pd.DataFrame, fourier: FourierParameters, seed: int
) -> Any:
    """Fit a scaler and a PCA on the training rows."""
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
    """Project the spectrum of every item to its Fourier features."""
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
    """Compute Fourier features of augmented copies of the training rows."""
    import numpy as np

    hashes = (waveforms, splits, fourier_pca)
    check_same(*hashes)
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(splits["role"] == "train").repeat(augmentation.copies)
    if len(rows) > augmentation.max_rows:
        rows = np.sort(rng.choice(rows, augmentation.max_rows, replace=False))
    features = [np.empty((0, fourier.n_components))]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        clips = waveforms.oindex[rows[start : start + ROWS_AT_ONCE]]
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
    """Compute the target of the decoder and the input of each encoder, each from a single clip.

    A clip longer than `views.clip_window_s` has several rows (`arrays.windows_of`).
    """
    from disentangled_audio.models.views import VIEW_NAMES, make_views
    from disentangled_audio.models.windows import Windows, cut_windows

    rate_hz = corpus.analysis.clip_rate_hz
    cut = cut_windows(waveforms, rate_hz, views)
    source = waveforms if cut is None else cut
    windows = Windows.whole(waveforms.shape[0]) if cut is None else cut.windows
    if source.shape[1] < views.window_s * rate_hz:
        raise UserError(
            f"views.window_s={views.window_s:g} is longer than the clips, which are "
            f"{source.shape[1] / rate_hz:g} s; lower it"
        )
    work = partial(make_views, sample_rate_hz=rate_hz, parameters=views)
    parameters = [rate_hz, views.model_dump()]
    made = computed("views", source, work, parameters, chunks, parallel)
    return tuple(note_windows(stamp(made[name], waveforms), windows) for name in VIEW_NAMES)


def summarise_views(
    log_mel: Any, recordings: pd.DataFrame, parameters: CepstraParameters, views: ViewParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute cepstra over time, and statistics over the clip, each from a single clip.

    A clip in windows has the cepstra of its loudest window, and the mean statistics of all. The
    statistics of an impulse response include its whole decay.
    """
    sources = (log_mel, recordings)
    check_same(*sources)
    if parameters.n_cepstra > views.n_mels:
        raise UserError(
            f"cepstra.n_cepstra={parameters.n_cepstra} is more than views.n_mels={views.n_mels}"
        )
    course, statistics = view_summaries(
        log_mel, windows_of(log_mel), recordings["kind"].to_numpy(), parameters, views
    )
    names = recordings["recording_id"]
    return (
        stamp(feature_table(names, course, "cepstrum"), *sources),
        stamp(feature_table(names, statistics, "timbre"), *sources),
    )


def measure_acoustics(
    waveforms: Any,
    recordings: pd.DataFrame,
    corpus: Corpus,
    acoustic: AcousticParameters,
    chunks: Path,
    parallel: ParallelParameters,
) -> pd.DataFrame:
    """Compute room-acoustic parameters of impulse responses; NaN for other kinds.

    A decay that outlasts the clip or the recording is measured as far as it goes: parameters that
    need more are NaN, with a reason in `reasons`. Padding behind the recording is ignored.
    """
    check_same(waveforms, recordings)
    measures = acoustic_measures(acoustic)
    rate_hz = corpus.analysis.clip_rate_hz
    work = partial(_acoustics, sample_rate_hz=rate_hz, measures=measures)
    parameters = [rate_hz, acoustic.model_dump()]
    recorded = recorded_samples(
        *(recordings[name].to_numpy() for name in ("kind", "duration_s", "first_arrival_s")),
        corpus.analysis,
        waveforms.shape[1],
    )
    made = computed(
        "acoustic_parameters", waveforms, work, parameters, chunks, parallel, row_values=recorded
    )
    table = acoustic_table(
        recordings["recording_id"], made["values"][:], made["reasons"][:], measures
    )
    return stamp(table, waveforms, recordings)


def acoustic_table(
    recording_id: pd.Series, values: Any, reasons: Any, measures: Any
) -> pd.DataFrame:
    """Table with recording_id, one column per parameter, and reasons for missing values."""
    from disentangled_audio.signal.acoustics import reason_texts

    table = pd.DataFrame(values, columns=measures.names)
    table.insert(0, "recording_id", recording_id.to_numpy())
    table["reasons"] = list(reason_texts(measures.names, reasons))
    return table


def _acoustics(clips: Any, n_recorded: Any, sample_rate_hz: int, measures: Any) -> dict[str, Any]:
    from disentangled_audio.signal.acoustics import measure

    values, reasons = measure(clips, sample_rate_hz, n_recorded, measures)
    return {"values": values, "reasons": reasons}


def measure_factors(
    waveforms: Any,
    recordings: pd.DataFrame,
    acoustics: pd.DataFrame,
    corpus: Corpus,
    views: ViewParameters,
    chunks: Path,
    parallel: ParallelParameters,
) -> pd.DataFrame:
    """Measure duration, level, median fundamental and T20 of every item; NaN if undefined.

    The fundamental is only measured if the pitch view shows it, T20 if there are impulse responses.
    """
    sources = (waveforms, recordings, acoustics)
    check_same(*sources)
    table = pd.DataFrame(
        {
            "recording_id": recordings["recording_id"].to_numpy(),
            "duration": recordings["duration_s"].to_numpy(dtype=float),
            "level": recordings["rms_dbfs"].to_numpy(dtype=float),
        }
    )
    if views.pitch != "modal":
        rate_hz = corpus.analysis.clip_rate_hz
        work = partial(_median_f0, sample_rate_hz=rate_hz, views=views)
        parameters = [rate_hz, views.model_dump()]
        made = computed("median_f0", waveforms, work, parameters, chunks, parallel)
        table["median_f0"] = made["median_f0"][:].astype(float)
    if (recordings["kind"] == "rir").any():
        # NaN if acoustic.centre_hz has neither band.
        mid_bands = acoustics.filter(items=["t20_500hz_s", "t20_1000hz_s"])
        table["t20"] = mid_bands.mean(axis=1).to_numpy(dtype=float)
    return stamp(table, *sources)


def _median_f0(clips: Any, sample_rate_hz: int, views: ViewParameters) -> Any:
    from disentangled_audio.models.views import median_f0_hz

    return median_f0_hz(clips, sample_rate_hz, views)
