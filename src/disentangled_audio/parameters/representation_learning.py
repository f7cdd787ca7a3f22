"""Parameters of the pipeline `representation_learning`: the disentangler, in nested groups."""

from collections.abc import Container
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BeforeValidator, Field, model_validator

from disentangled_audio.parameters.base import Counts, Parameters, Texts, as_list

Code = Literal["content", "rhythm", "pitch", "timbre"]
# In the order of tables and of the decoder's input.
CODES: tuple[Code, ...] = get_args(Code)


class EncoderParameters(Parameters):
    """One encoder per code. A code with fewer dimensions can hold less information."""

    content_dim: int = Field(default=16, ge=1, le=512)
    """Number of dimensions of the content code."""
    rhythm_dim: int = Field(default=8, ge=1, le=512)
    """Number of dimensions of the rhythm code."""
    pitch_dim: int = Field(default=6, ge=1, le=512)
    """Number of dimensions of the pitch code."""
    timbre_dim: int = Field(default=0, ge=0, le=512)
    """Number of dimensions of a fourth code that sees only the clip's mean spectrum; 0 leaves it
    out."""
    content_channels: Counts = Field(default=(16, 32, 48), min_length=1, max_length=4)
    """Filters of the content encoder's convolutions, each of stride 2."""
    pitch_channels: Counts = Field(default=(24, 24, 24), min_length=1, max_length=4)
    """Filters of the pitch encoder's convolutions, each of stride 2 in time."""
    rhythm_channels: Counts = Field(default=(16, 16, 16), min_length=1, max_length=4)
    """Filters of the rhythm encoder's convolutions, each of stride 2 in time."""
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    """Share of features dropped before each code and in the classifier head; 0 switches it off."""
    quantised: dict[Code, Annotated[int, Field(ge=2, le=256)] | None] = {}
    """Number of levels to which each dimension of a code is rounded, by code. Other codes, and
    those with null, are not rounded; `losses.variational_weight` switches rounding off."""


class DecoderParameters(Parameters):
    """The decoder, which reconstructs the log-mel spectrogram from all codes."""

    units: int = Field(default=128, ge=1, le=4096)
    """Number of hidden units between the codes and the decoder's smallest grid."""
    channels: Counts = Field(default=(32, 24), min_length=1, max_length=4)
    """Filters of the decoder's layers, from the smallest grid on; each layer doubles the grid."""
    pitch_spectrum_units: int = Field(default=0, ge=0, le=4096)
    """Number of hidden units between the pitch code and a spectrum that the decoder adds to
    sounding frames; 0 adds none."""


class HeadParameters(Parameters):
    """The classifier head, which predicts the target from codes."""

    codes: Annotated[tuple[Code, ...], BeforeValidator(as_list)] = Field(
        default=("content",), min_length=1
    )
    """Input codes of the head."""
    units: int = Field(default=64, ge=0, le=4096)
    """Number of hidden units; 0 makes the head linear."""
    rounded: bool = True
    """Whether the head sees `encoders.quantised` codes after rounding. If false, it sees the exact
    values, while all other results use the rounded code."""
    code_noise: float = Field(default=0.0, ge=0.0)
    """Standard deviation of Gaussian noise on the head's input in training, relative to a code of
    unit scale; 0 switches it off."""

    @model_validator(mode="after")
    def _check_codes(self) -> "HeadParameters":
        if len(set(self.codes)) != len(self.codes):
            raise ValueError(f"codes names a code twice: {', '.join(self.codes)}")
        return self


class CodeTerm(Parameters):
    """A loss for one code and some factors."""

    weight: float = Field(default=1.0, ge=0.0)
    """Weight of each factor's term in the sum of losses; 0 switches it off."""
    of: Texts = Field(min_length=1)
    """Factors: `target`, `group`, factors of the protocol, or measured values of each clip
    (`duration`, `level`, `median_f0`, `t20`)."""


class IndependenceTerm(CodeTerm):
    """A loss for the dependence of a code on factors, among clips that agree in other factors."""

    within: Texts = ["target"]
    """Factors whose classes (or thirds) define the cells within which the code must be independent;
    an empty list requires independence over all clips."""


class LossParameters(Parameters):
    """Losses whose weighted sum is minimised."""

    reconstruction_weight: float = Field(default=0.3, ge=0.0)
    """Weight of the log-mel error, as a share of its variance in the training rows; 0 switches it
    off."""
    classification_weight: float = Field(default=1.0, ge=0.0)
    """Weight of the head's cross-entropy in nats; 0 switches it off."""
    auxiliary_weight: float = Field(default=0.0, ge=0.0)
    """Weight of the cross-entropy of a second head on the content encoder's features before the
    bottleneck, in training only (method `separated`); 0 leaves that head out."""
    variational_weight: float = Field(default=0.0, ge=0.0)
    """Weight of the divergence of each code's distribution from a standard normal one, in nats per
    dimension. Above 0, codes are drawn from that distribution in training; at 0, the number of
    dimensions and `encoders.quantised` limit the information."""
    readouts: dict[Code, CodeTerm] = {}
    """Factors, by code, that a linear head must predict from the code; the loss is 1 at chance."""
    independence: dict[Code, IndependenceTerm] = {}
    """Factors, by code, of which the code must be independent (a kernel measure from 0 to 1)."""
    compactness: dict[Code, CodeTerm] = {}
    """Factors, by code, whose classes (or thirds) should each be a single point of the code. The
    loss is the share of the code's variance within classes."""
    adversaries: dict[Code, CodeTerm] = {}
    """Factors, by code, that a head tries to predict from the code while the encoder is trained
    against that head."""
    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the label's probability that is spread over all classes."""
    balance_classes: bool = True
    """Whether every class has the same weight in the cross-entropy."""

    @model_validator(mode="after")
    def _check_weights(self) -> "LossParameters":
        if self.reconstruction_weight == 0.0 and self.classification_weight == 0.0:
            raise ValueError(
                "reconstruction_weight and classification_weight are both 0; set one above 0"
            )
        return self


class ViewAugmentationParameters(Parameters):
    """Random changes of the encoders' inputs in training."""

    segment_min_frames: int = Field(default=6, ge=2)
    """Shortest segment that random resampling stretches, in frames of the content view."""
    segment_max_frames: int = Field(default=12, ge=2)
    """Longest segment that random resampling stretches, in frames of the content view."""
    stretch: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Largest relative stretch: factors are drawn from 1 - stretch to 1 + stretch; 0 switches it
    off."""
    shift: float = Field(default=0.1, ge=0.0, lt=0.5)
    """Largest move of either end of a time-normalised view, as a share of its length; 0 switches
    it off."""
    tilt: float = Field(default=0.0, ge=0.0)
    """Standard deviation of random spectral tilt, up at one end of the mel axis and down at the
    other, as a share of the view's dynamic range (0.075 of 80 dB is 6 dB); finer equalisation is
    weaker. 0 switches it off, so that the frequency response of the equipment stays audible."""
    noise_floor: float = Field(default=0.5, ge=0.0, lt=1.0)
    """Highest level of random steady noise in the content view, as a share of its dynamic range; 0
    switches it off."""
    early_level: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Largest change of level after the direct sound, in the content and rhythm views, as a share
    of their dynamic range (0.125 of 80 dB is 10 dB). It simulates another distance from the source;
    0 switches it off."""
    early_frames: int = Field(default=2, ge=1)
    """Largest number of frames of the direct sound, drawn from 1 on, for `early_level`."""
    frequency_warp: float = Field(default=0.0, ge=0.0, lt=0.5)
    """Largest relative stretch of the content view's mel axis; 0 switches it off."""
    mask: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Largest share of a view's frames, and of its bands, that are masked; 0 switches it off."""
    view_noise: float = Field(default=0.1, ge=0.0)
    """Standard deviation of Gaussian noise on the standardised views; 0 switches it off."""

    @model_validator(mode="after")
    def _check_segments(self) -> "ViewAugmentationParameters":
        if self.segment_min_frames > self.segment_max_frames:
            raise ValueError("segment_min_frames exceeds segment_max_frames")
        return self


class ScheduleParameters(Parameters):
    """How long, in which steps and on how many rows the disentangler is trained."""

    epochs: int = Field(default=80, ge=1)
    """Largest number of passes over the training rows (or `max_epoch_rows` of them) before the
    refit."""
    patience_epochs: int = Field(default=20, ge=1)
    """Number of epochs without a better validation loss after which training stops."""
    refit_epochs: int = Field(default=0, ge=0)
    """Number of epochs of a refit on training and validation rows, from the best weights; the
    learning rate rises and falls once more. The refitted model is kept. Temperatures, weights and
    thresholds come from the earlier model's predictions for validation rows, which assumes that the
    refitted one is no more certain. 0 leaves the refit out."""
    ramp_epochs: int = Field(default=10, ge=0)
    """Number of epochs over which the weights of `independence`, `compactness` and `adversaries`
    rise."""
    batch_size: int = Field(default=16, ge=1)
    """Number of rows per step."""
    learning_rate: float = Field(default=3e-3, gt=0.0)
    """Largest learning rate; it rises over the first epochs and falls to zero along a half cosine
    over `epochs`."""
    weight_decay: float = Field(default=1e-3, ge=0.0)
    """Decoupled weight decay; 0 switches it off."""
    weight_averaging: float = Field(default=0.8, ge=0.0, lt=1.0)
    """Momentum per epoch of the moving average of the weights, which is validated and kept; 0 uses
    each epoch's own weights. The validation loss of single epochs is noisy, and averages depend
    less on the chosen epoch."""
    max_epoch_rows: int = Field(default=8192, ge=1)
    """Largest number of training rows per epoch, drawn for each epoch. With more rows,
    standardisation and the validation loss use this number of rows, drawn once."""


class DisentanglerParameters(Parameters):
    """The disentangler: its network, losses, augmentation and schedule."""

    method: Literal["separated", "triple_bottleneck", "adversarial"] = "separated"
    """Training method. `separated` uses every loss. `triple_bottleneck` (after SpeechSplit) uses
    only different inputs and narrow codes: the encoders learn from the reconstruction, and the head
    does not teach them. `adversarial` (after Hung et al.) has two encoders, content and pitch, that
    both see the whole spectrogram, and uses `readouts` and `adversaries`, but neither
    `independence` nor `compactness`."""
    encoders: EncoderParameters = EncoderParameters()
    """Encoders, one per code."""
    decoder: DecoderParameters = DecoderParameters()
    """Decoder, which reconstructs the spectrogram from all codes."""
    head: HeadParameters = HeadParameters()
    """Classifier head, which predicts the target from codes."""
    losses: LossParameters = LossParameters()
    """Losses and their weights."""
    augmentation: ViewAugmentationParameters = ViewAugmentationParameters()
    """Augmentation of the encoders' inputs."""
    schedule: ScheduleParameters = ScheduleParameters()
    """Numbers of epochs and rows, and the learning rate."""

    @model_validator(mode="after")
    def _check_timbre(self) -> "DisentanglerParameters":
        if self.encoders.timbre_dim:
            return self
        named = {"head.codes": self.head.codes}
        for kind in ("readouts", "independence", "compactness", "adversaries"):
            named[f"losses.{kind}"] = getattr(self.losses, kind)
        for name, codes in named.items():
            if "timbre" in codes:
                raise ValueError(f"{name} names timbre, but encoders.timbre_dim is 0")
        return self

    @property
    def codes(self) -> tuple[Code, ...]:
        """Codes that the model has, in the order of `CODES`."""
        lacking = {"rhythm"} if self.method == "adversarial" else set()
        if self.encoders.timbre_dim == 0:
            lacking.add("timbre")
        return tuple(name for name in CODES if name not in lacking)

    def levels(self, code: Code) -> int | None:
        """Number of levels to which a code's dimensions are rounded."""
        return None if self.losses.variational_weight else self.encoders.quantised.get(code)

    @property
    def terms(self) -> "CodeTerms":
        """Losses of codes and factors that the method uses, for the codes of the model."""
        if self.method == "triple_bottleneck":
            return CodeTerms({}, {}, {}, {})
        losses = self.losses
        readouts = _of_codes(losses.readouts, self.codes)
        adversaries = _of_codes(losses.adversaries, self.codes)
        if self.method == "adversarial":
            return CodeTerms(readouts, {}, {}, adversaries or _wrong_heads(readouts))
        independence = _of_codes(losses.independence, self.codes)
        compactness = _of_codes(losses.compactness, self.codes)
        return CodeTerms(readouts, independence, compactness, adversaries)


@dataclass(frozen=True)
class CodeTerms:
    """Losses of codes and factors, by kind and code."""

    readouts: dict[Code, CodeTerm]
    independence: dict[Code, IndependenceTerm]
    compactness: dict[Code, CodeTerm]
    adversaries: dict[Code, CodeTerm]

    @property
    def factors(self) -> list[str]:
        """All factors that a loss uses."""
        named = [name for kind in vars(self).values() for term in kind.values() for name in term.of]
        named += [name for term in self.independence.values() for name in term.within]
        return list(dict.fromkeys(named))


_Term = TypeVar("_Term", bound=CodeTerm)


def _of_codes(terms: dict[Code, _Term], codes: Container[str]) -> dict[Code, _Term]:
    return {code: term for code, term in terms.items() if code in codes}


def _wrong_heads(readouts: dict[Code, CodeTerm]) -> dict[Code, CodeTerm]:
    """Adversaries by default: pitch must not predict the target, nor content pitch's factors."""
    wrong: dict[Code, CodeTerm] = {"pitch": CodeTerm(of=["target"])}
    if "pitch" in readouts:
        wrong["content"] = CodeTerm(of=readouts["pitch"].of)
    return wrong
