"""Parameters of the encoder input views and of the disentangler."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Code = Literal["content", "rhythm", "pitch", "timbre"]


class ViewParameters(BaseModel):
    """What each encoder may see of a clip.

    Attributes
    ----------
    window_s : analysis window of the mel spectrogram, in seconds.
    hop_s : time between frames of the views in absolute time, in seconds.
    n_mels : mel bands from `min_hz` to `max_hz`.
    min_hz : lower corner of the first mel band.
    max_hz : upper corner of the last mel band; None takes the Nyquist frequency.
    dynamic_range_db : what lies this far below a clip's peak is 0 in a view, the peak is 1.
    rhythm_bands : groups of neighbouring mel bands whose energies are the rhythm view.
    content_frames : frames of the time-normalised views, whatever the clip's duration.
    trim_db : frames further than this below the loudest one, at either end, are cut off before
        time normalisation.
    pitch : `f0` for voiced sounds, `modal` for impulse responses.
    f0_min_hz, f0_max_hz : range of the fundamental, for `f0`.
    f0_bins_per_octave : resolution of the fundamental, for `f0`.
    f0_span_octaves : width of the pitch view around the clip's median fundamental, for `f0`.
    f0_relative_to_clip : centre the pitch view on the clip's median fundamental, so that it shows
        melody and not who speaks; False keeps absolute frequency, for `f0`.
    voicing_threshold : salience from which a frame counts as voiced, for `f0`.
    modal_window_s : window of the modal pattern, at most the clip, for `modal`.
    modal_frames : frames of the modal pattern from the clip's start to its end, for `modal`.
    modal_min_hz, modal_max_hz : range of the modal pattern, for `modal`.
    modal_bins : frequencies of the modal pattern, for `modal`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window_s: float = Field(default=0.032, gt=0.0, le=0.5)
    hop_s: float = Field(default=0.016, gt=0.0, le=0.5)
    n_mels: int = Field(default=40, ge=8, le=256)
    min_hz: float = Field(default=40.0, ge=0.0)
    max_hz: float | None = Field(default=None, gt=0.0)
    dynamic_range_db: float = Field(default=80.0, gt=0.0, le=160.0)
    rhythm_bands: int = Field(default=4, ge=1, le=64)
    content_frames: int = Field(default=32, ge=8, le=512)
    trim_db: float = Field(default=35.0, gt=0.0, le=120.0)
    pitch: Literal["f0", "modal"] = "f0"
    f0_min_hz: float = Field(default=70.0, gt=0.0)
    f0_max_hz: float = Field(default=400.0, gt=0.0)
    f0_bins_per_octave: int = Field(default=24, ge=4, le=96)
    f0_span_octaves: float = Field(default=1.5, gt=0.0, le=4.0)
    f0_relative_to_clip: bool = True
    voicing_threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    modal_window_s: float = Field(default=0.25, gt=0.0)
    modal_frames: int = Field(default=4, ge=1, le=64)
    modal_min_hz: float = Field(default=30.0, gt=0.0)
    modal_max_hz: float = Field(default=500.0, gt=0.0)
    modal_bins: int = Field(default=64, ge=8, le=512)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.rhythm_bands > self.n_mels:
            raise ValueError(f"rhythm_bands ({self.rhythm_bands}) exceeds n_mels ({self.n_mels})")
        if self.f0_min_hz >= self.f0_max_hz:
            raise ValueError("f0_min_hz must be below f0_max_hz")
        if self.modal_min_hz >= self.modal_max_hz:
            raise ValueError("modal_min_hz must be below modal_max_hz")
        if self.max_hz is not None and self.min_hz >= self.max_hz:
            raise ValueError("min_hz must be below max_hz")
        return self


class DisentanglerParameters(BaseModel):
    """Size, losses, augmentation and schedule of the disentangler.

    Attributes
    ----------
    content_dim, rhythm_dim, pitch_dim : length of each code; the narrower, the less it can say.
    timbre_dim : length of a fourth code that sees only the clip's mean spectrum; 0 leaves it out.
    content_channels : filters of the content encoder's convolutions, each of stride 2.
    pitch_channels : filters of the pitch encoder's convolutions, each of stride 2 in time.
    rhythm_channels : filters of the rhythm encoder's convolutions, each of stride 2 in time.
    decoder_units : hidden units between the codes and the decoder's smallest grid.
    decoder_channels : filters of the decoder, from its smallest grid on; each step doubles it.
    head_units : hidden units of the classifier head; 0 makes the head linear.
    head_codes : codes the classifier head sees.
    dropout : share of features dropped before each code and in the head; 0 switches it off.
    code_noise : standard deviation of Gaussian noise on the codes in training, where a code has
        unit scale; 0 switches it off.
    reconstruction_weight : weight of the log-mel error, as a share of its variance in the
        training rows; 0 switches it off.
    classification_weight : weight of the cross-entropy in nats; 0 switches it off.
    label_smoothing : share of the label's probability spread over all classes.
    balance_classes : weight each class alike in the cross-entropy.
    segment_min_frames, segment_max_frames : lengths of the segments that random resampling
        stretches, in frames of the content view.
    stretch : a segment is stretched by 1 - stretch to 1 + stretch; 0 switches it off.
    shift : largest move of either end of a time-normalised view, as a share of its length; 0
        switches it off.
    tilt : standard deviation of random spectral tilt, up at one end of the mel axis and down at
        the other, as a share of the view's dynamic range (0.075 of 80 dB is 6 dB); finer shapes
        of equalisation get less; 0 switches it off.
    noise_floor : highest level of random steady noise in the content view, as a share of its
        dynamic range; 0 switches it off.
    frequency_warp : largest relative stretch of the content view's mel axis; 0 switches it off.
    mask : largest share of a view's frames, and of its bands, that are blanked; 0 switches it
        off.
    view_noise : standard deviation of Gaussian noise on the standardised views; 0 switches it
        off.
    epochs : passes over the training rows, at most.
    patience_epochs : epochs without a better validation loss before training stops.
    batch_size : rows a step.
    learning_rate : largest step size; it rises over the first epochs and falls to zero along a
        half cosine over `epochs`.
    weight_decay : decoupled weight decay; 0 switches it off.
    weight_averaging : momentum, per epoch, of the moving average of weights that is validated and
        kept; 0 keeps each epoch's own weights. One validation group is a noisy judge of single
        epochs, and averages depend less on which epoch it prefers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    content_dim: int = Field(default=16, ge=1, le=512)
    rhythm_dim: int = Field(default=4, ge=1, le=512)
    pitch_dim: int = Field(default=6, ge=1, le=512)
    timbre_dim: int = Field(default=0, ge=0, le=512)
    content_channels: tuple[int, ...] = Field(default=(16, 32, 48), min_length=1, max_length=4)
    pitch_channels: tuple[int, ...] = Field(default=(24, 24, 24), min_length=1, max_length=4)
    rhythm_channels: tuple[int, ...] = Field(default=(16, 16, 16), min_length=1, max_length=4)
    decoder_units: int = Field(default=128, ge=1, le=4096)
    decoder_channels: tuple[int, ...] = Field(default=(32, 24), min_length=1, max_length=4)
    head_units: int = Field(default=64, ge=0, le=4096)
    head_codes: tuple[Code, ...] = Field(default=("content",), min_length=1)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    code_noise: float = Field(default=0.0, ge=0.0)
    reconstruction_weight: float = Field(default=0.3, ge=0.0)
    classification_weight: float = Field(default=1.0, ge=0.0)
    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)
    balance_classes: bool = True
    segment_min_frames: int = Field(default=6, ge=2)
    segment_max_frames: int = Field(default=12, ge=2)
    stretch: float = Field(default=0.5, ge=0.0, lt=1.0)
    shift: float = Field(default=0.1, ge=0.0, lt=0.5)
    tilt: float = Field(default=0.075, ge=0.0)
    noise_floor: float = Field(default=0.5, ge=0.0, lt=1.0)
    frequency_warp: float = Field(default=0.08, ge=0.0, lt=0.5)
    mask: float = Field(default=0.0, ge=0.0, lt=1.0)
    view_noise: float = Field(default=0.1, ge=0.0)
    epochs: int = Field(default=30, ge=1)
    patience_epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0.0)
    weight_decay: float = Field(default=1e-3, ge=0.0)
    weight_averaging: float = Field(default=0.8, ge=0.0, lt=1.0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.segment_min_frames > self.segment_max_frames:
            raise ValueError("segment_min_frames exceeds segment_max_frames")
        if len(set(self.head_codes)) != len(self.head_codes):
            raise ValueError("head_codes names a code twice")
        if "timbre" in self.head_codes and self.timbre_dim == 0:
            raise ValueError("head_codes names timbre, but timbre_dim is 0")
        if self.reconstruction_weight == 0.0 and self.classification_weight == 0.0:
            raise ValueError("every loss is switched off")
        return self
