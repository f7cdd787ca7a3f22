"""Input views of the encoders for content, rhythm and pitch."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus, DisentanglerParameters, ViewParameters
from disentangled_audio.signal import mel, pitch
from disentangled_audio.signal.blocks import row_blocks

VIEW_NAMES = ("log_mel", "content_view", "rhythm_view", "pitch_view")

# A fundamental needs a few periods in a window; Boersma takes three.
_PERIODS_IN_WINDOW = 3.0
_CONTOUR_OCTAVES = 0.5


def make_views(
    waveforms: NDArray[np.float32], sample_rate_hz: int, parameters: ViewParameters
) -> dict[str, NDArray[np.float32]]:
    """Compute the encoders' input views of clips of one length.

    Each row depends only on its own clip.

    Parameters
    ----------
    waveforms : (n_items, n_samples)
        Clips, linear amplitude.
    sample_rate_hz : int
        Sampling frequency in Hz.
    parameters : ViewParameters

    Returns
    -------
    dict
        `log_mel` (n_items, n_frames, n_mels): 0 at `dynamic_range_db` below the clip's peak, 1 at
        the peak; absolute time.
        `content_view` (n_items, n_content_frames, n_mels): the same scale; time normalised from the
        first to the last active frame.
        `rhythm_view` (n_items, n_frames, rhythm_bands): energies of wide bands; absolute time.
        `pitch_view` for `f0` (n_items, n_content_frames, n_bins + 1): salience of the fundamental
        around the clip's median in voiced frames of the active span; voicing in the last column.
        For `contour` (n_items, n_content_frames, 2): the fundamental in octaves from the clip's
        median, interpolated over unvoiced frames, and that median in octaves above `f0_min_hz`
        (left out with `f0_relative_to_clip`); both 0 in a clip without voiced frames. For `modal`
        (n_items, n_modal_frames, modal_bins): low-frequency spectra in absolute time, each relative
        to its own peak.

    Raises
    ------
    ValueError
        If the clips are not two-dimensional or not finite, are empty or shorter than one window, or
        the mel bands exceed half the sampling frequency.
    """
    _check_waveforms(waveforms, sample_rate_hz, parameters)
    filters = mel_filters(sample_rate_hz, parameters)
    blocks = [
        _views_of_block(
            np.asarray(waveforms[rows], dtype=np.float32), sample_rate_hz, parameters, filters
        )
        for rows in row_blocks(waveforms.shape)
    ]
    return {name: np.concatenate([block[name] for block in blocks]) for name in VIEW_NAMES}


def _check_waveforms(
    waveforms: NDArray[np.float32], sample_rate_hz: int, parameters: ViewParameters
) -> None:
    if waveforms.ndim != 2 or waveforms.shape[0] == 0:
        raise ValueError(f"waveforms must be (n_items, n_samples), got {waveforms.shape}")
    duration_s = waveforms.shape[1] / sample_rate_hz
    if duration_s < parameters.window_s:
        raise ValueError(f"clips of {duration_s:g} s are shorter than window_s")
    nyquist_hz = sample_rate_hz / 2.0
    highest_hz = parameters.max_hz or parameters.min_hz
    if highest_hz > nyquist_hz:
        raise ValueError(f"the mel bands reach beyond {nyquist_hz:g} Hz, half the sampling rate")


def n_content_frames(n_samples: int, sample_rate_hz: int, parameters: ViewParameters) -> int:
    """Number of frames of the time-normalised views of clips with `n_samples` samples."""
    if parameters.whole_clips:
        return parameters.content_frames
    step_samples = parameters.content_step_s * sample_rate_hz
    return max(parameters.content_frames, _rounded_up(n_samples / step_samples))


def _rounded_up(number: float) -> int:
    # With tolerance, because windows and clips are rounded to whole samples.
    return math.ceil(number - 0.01)


def mel_filters(sample_rate_hz: int, parameters: ViewParameters) -> csr_array:
    """Weights of the mel bands of the views, (n_mels, n_fft // 2 + 1)."""
    edges_hz = mel.mel_edges_hz(
        parameters.n_mels, parameters.min_hz, parameters.max_hz or sample_rate_hz / 2.0
    )
    window_samples = round(parameters.window_s * sample_rate_hz)
    n_fft = mel.fft_length(window_samples, sample_rate_hz, edges_hz)
    return mel.mel_filter_bank(edges_hz, n_fft, sample_rate_hz)


def _views_of_block(
    waveforms: NDArray[np.float32],
    sample_rate_hz: int,
    parameters: ViewParameters,
    filters: csr_array,
) -> dict[str, NDArray[np.float32]]:
    if not np.isfinite(waveforms).all():
        raise ValueError("waveforms hold values that are not finite")
    window_samples = round(parameters.window_s * sample_rate_hz)
    hop_samples = max(1, round(parameters.hop_s * sample_rate_hz))
    frames = mel.centred_frames(waveforms, hop_samples, window_samples)
    power = mel.mel_power(frames, filters)
    first, last = mel.active_span(power.sum(axis=2), parameters.trim_db)
    steps = np.linspace(0.0, 1.0, n_content_frames(waveforms.shape[1], sample_rate_hz, parameters))
    centres = hop_samples * (first[:, None] + steps * (last - first)[:, None])
    centres = np.rint(centres).astype(np.intp)
    content_frames = mel.take_frames(waveforms, centres - window_samples // 2, window_samples)

    def scaled(power: NDArray[np.float32]) -> NDArray[np.float32]:
        decibels = mel.relative_db(power, (1, 2)) / parameters.dynamic_range_db
        return np.clip(1.0 + decibels, 0.0, 1.0)

    return {
        "log_mel": scaled(power),
        "content_view": scaled(mel.mel_power(content_frames, filters)),
        "rhythm_view": scaled(_band_power(power, parameters.rhythm_bands)),
        "pitch_view": _pitch_view(waveforms, centres, sample_rate_hz, parameters),
    }


def _band_power(power: NDArray[np.float32], n_bands: int) -> NDArray[np.float32]:
    """Sum neighbouring mel bands into `n_bands` groups of nearly the same size."""
    edges = np.linspace(0, power.shape[2], n_bands + 1).round().astype(int)
    return np.add.reduceat(power, edges[:-1], axis=2)


def median_f0_hz(
    waveforms: NDArray[np.float32], sample_rate_hz: int, parameters: ViewParameters
) -> NDArray[np.float32]:
    """Median fundamental frequency in Hz of each clip's voiced frames, (n_items,); NaN without any.

    Parameters
    ----------
    waveforms : (n_items, n_samples)
    sample_rate_hz : int
    parameters : ViewParameters
    """
    courses = (
        _f0_course(waveforms[rows], sample_rate_hz, parameters)
        for rows in row_blocks(waveforms.shape)
    )
    return np.concatenate([pitch.median_f0_hz(*course) for course in courses])


def _f0_analysis(
    waveforms: NDArray[np.float32],
    centres: NDArray[np.intp],
    sample_rate_hz: int,
    parameters: ViewParameters,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Salience, fundamental and voicing of frames, and the frequencies of the salience."""
    window_samples = round(_PERIODS_IN_WINDOW * sample_rate_hz / parameters.f0_min_hz)
    frames = mel.take_frames(waveforms, centres - window_samples // 2, window_samples)
    grid_hz = pitch.log_f0_grid_hz(
        parameters.f0_min_hz, parameters.f0_max_hz, parameters.f0_bins_per_octave
    )
    salience = pitch.f0_salience(frames, grid_hz, sample_rate_hz)
    f0_hz, strength = pitch.f0_track(salience, grid_hz)
    energy = np.square(frames).sum(axis=2)
    # Periodic noise far below the peak does not count as voiced.
    loud = mel.relative_db(energy, (1,)) >= -parameters.trim_db
    voicing = np.where(loud & (strength >= parameters.voicing_threshold), strength, 0.0)
    return salience, f0_hz, voicing, grid_hz


def _pitch_view(
    waveforms: NDArray[np.float32],
    centres: NDArray[np.intp],
    sample_rate_hz: int,
    parameters: ViewParameters,
) -> NDArray[np.float32]:
    if parameters.pitch == "modal":
        return _modal_view(waveforms, sample_rate_hz, parameters)
    if parameters.pitch == "contour":
        return _contour_view(waveforms, centres, sample_rate_hz, parameters)
    return _f0_view(waveforms, centres, sample_rate_hz, parameters)


def _contour_view(
    waveforms: NDArray[np.float32],
    centres: NDArray[np.intp],
    sample_rate_hz: int,
    parameters: ViewParameters,
) -> NDArray[np.float32]:
    """Fundamental over time relative to the clip's median, and that median."""
    hop_samples = max(1, round(parameters.hop_s * sample_rate_hz))
    f0_hz, voiced = _f0_course(waveforms, sample_rate_hz, parameters)
    median_hz = pitch.median_f0_hz(f0_hz, voiced)[:, None]
    median_hz = np.where(np.isnan(median_hz), parameters.f0_min_hz, median_hz)
    shape = np.log2(f0_hz / median_hz)
    # A larger distance is more likely an octave error than a melody.
    shape = pitch.interpolated(shape, voiced & (np.abs(shape) <= _CONTOUR_OCTAVES))
    frames = np.arange(shape.shape[1])
    rows = zip(centres, shape, strict=True)
    columns = [np.array([np.interp(row / hop_samples, frames, own) for row, own in rows])]
    if not parameters.f0_relative_to_clip:
        level = np.log2(median_hz / parameters.f0_min_hz)
        columns.append(np.broadcast_to(level, centres.shape))
    return np.stack(columns, axis=2).astype(np.float32)


def _f0_course(
    waveforms: NDArray[np.float32], sample_rate_hz: int, parameters: ViewParameters
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Fundamental of every frame in absolute time, and mask of the voiced frames."""
    hop_samples = max(1, round(parameters.hop_s * sample_rate_hz))
    places = np.tile(np.arange(0, waveforms.shape[1], hop_samples), (len(waveforms), 1))
    _, f0_hz, voicing, _ = _f0_analysis(waveforms, places, sample_rate_hz, parameters)
    return f0_hz, voicing > 0.0


def _f0_view(
    waveforms: NDArray[np.float32],
    centres: NDArray[np.intp],
    sample_rate_hz: int,
    parameters: ViewParameters,
) -> NDArray[np.float32]:
    salience, f0_hz, voicing, grid_hz = _f0_analysis(waveforms, centres, sample_rate_hz, parameters)
    shown = np.clip(salience, 0.0, 1.0) * (voicing[..., None] > 0.0)
    if parameters.f0_relative_to_clip:
        shown = _around_median(shown, f0_hz, voicing > 0.0, grid_hz, parameters)
    return np.concatenate([shown, voicing[..., None]], axis=2).astype(np.float32)


def _around_median(
    salience: NDArray[np.float32],
    f0_hz: NDArray[np.float32],
    voiced: NDArray[np.bool_],
    grid_hz: NDArray[np.float64],
    parameters: ViewParameters,
) -> NDArray[np.float32]:
    """Part of the log-frequency axis centred on each clip's median fundamental."""
    median_hz = pitch.median_f0_hz(f0_hz, voiced)
    # The centre of an unvoiced clip does not matter, because it is all zeros.
    median_hz = np.where(np.isnan(median_hz), grid_hz[0], median_hz)
    per_octave = parameters.f0_bins_per_octave
    centre = np.rint(per_octave * np.log2(median_hz / grid_hz[0])).astype(np.intp)
    half = round(parameters.f0_span_octaves * per_octave / 2.0)
    padded = np.pad(salience, ((0, 0), (0, 0), (half, half)))
    columns = centre[:, None] + np.arange(2 * half + 1)
    return np.take_along_axis(padded, columns[:, None, :], axis=2)


def _modal_view(
    waveforms: NDArray[np.float32], sample_rate_hz: int, parameters: ViewParameters
) -> NDArray[np.float32]:
    n_samples = waveforms.shape[1]
    window_samples = min(n_samples, round(parameters.modal_window_s * sample_rate_hz))
    n_frames = parameters.modal_frames
    if not parameters.whole_clips:
        step_samples = parameters.modal_step_s * sample_rate_hz
        n_frames = max(n_frames, 1 + _rounded_up((n_samples - window_samples) / step_samples))
    starts = np.linspace(0, n_samples - window_samples, n_frames)
    frames = mel.take_frames(waveforms, np.rint(starts).astype(np.intp), window_samples)
    highest_hz = min(parameters.modal_max_hz, sample_rate_hz / 2.0)
    frequencies_hz = np.linspace(parameters.modal_min_hz, highest_hz, parameters.modal_bins)
    power = pitch.modal_power(frames, frequencies_hz, sample_rate_hz)
    # Relative to each frame, because the decay belongs to the rhythm view.
    decibels = mel.relative_db(power, (2,)) / parameters.dynamic_range_db
    return np.clip(1.0 + decibels, 0.0, 1.0)


def check_views(
    views: ViewParameters, disentangler: DisentanglerParameters, corpus: Corpus
) -> None:
    """Raise UserError if clips are too short for the views, or views for random resampling."""
    rate_hz = corpus.analysis.clip_rate_hz
    if corpus.analysis.duration_s == "longest":
        # Known after decoding.
        return
    duration_s = corpus.analysis.duration_s
    if not views.whole_clips:
        duration_s = min(duration_s, views.clip_window_s)
    clip = np.ones((1, round(duration_s * rate_hz)), dtype=np.float32)
    try:
        n_frames = make_views(clip, rate_hz, views)["content_view"].shape[1]
    except ValueError as error:
        raise UserError(
            f"views do not fit clips of corpus.analysis.duration_s={corpus.analysis.duration_s:g} "
            f"at sample_rate_hz={rate_hz}: {error}"
        ) from error
    changes = disentangler.augmentation
    if changes.stretch and changes.segment_min_frames >= n_frames:
        raise UserError(
            f"disentangler.augmentation.segment_min_frames={changes.segment_min_frames} is too "
            f"large for random resampling: these clips have {n_frames} content frames. Lower it, "
            "or switch resampling off with disentangler.augmentation.stretch=0"
        )
