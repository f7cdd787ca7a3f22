"""Corpora: what the recordings are, where they come from, and how they become clips."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from disentangled_audio.parameters.base import Parameters, Texts
from disentangled_audio.parameters.sources import AnySource

AUDIO_FILES = ("wav", "flac", "ogg", "mp3")
# In any case: some recorders write `.WAV`, some people `.Wav`.
AUDIO_PATTERNS = [
    f"**/*.{''.join(f'[{letter}{letter.upper()}]' for letter in name)}" for name in AUDIO_FILES
]


class Analysis(Parameters):
    """How each recording becomes one fixed-length clip (or one per channel)."""

    channel: Literal["first", "mean", "each"] = "first"
    """The first channel, the mean of all, or each channel as an item of its own."""
    sample_rate_hz: int = Field(gt=0)
    """Sampling rate in Hz to which recordings of another rate are resampled."""
    keep_every: int = Field(default=1, ge=1, le=100)
    """Keep only every so many-th sample, without a filter. Values above 1 cause aliasing; they
    serve to repeat a published experiment."""
    duration_s: Annotated[float, Field(ge=0.01, le=60)] | Literal["longest"]
    """Length of the clips in seconds; `longest` takes that of the longest recording."""
    min_duration_s: float = Field(default=0.05, ge=0)
    """Shortest recording in seconds that is accepted; shorter ones are rejected."""
    align: Literal["start", "direct_sound"] = "start"
    """Start at the beginning of the file, or just before the direct sound (only kind `rir`)."""
    pre_direct_s: float = Field(default=0.0025, ge=0)
    """Time in seconds from the start of an aligned clip to the direct sound."""
    fill: Literal["zeros", "noise_floor"] = "zeros"
    """What fills a clip beyond the end of its recording. `zeros` show a model how long the
    recording was; `noise_floor` continues with noise at the recording's final level."""
    band_hz: tuple[float, float] | None = None
    """Pass band in Hz of all clips, so that bandwidth does not reveal the source; null filters
    nothing."""
    normalise_energy: bool = True
    """Whether to scale every clip to a root mean square of one."""

    @model_validator(mode="after")
    def _check_band(self) -> "Analysis":
        if self.band_hz is None:
            return self
        low, high = self.band_hz
        if not 0 < low < high <= self.clip_rate_hz / 2:
            raise ValueError(
                f"band_hz {list(self.band_hz)} must rise and end at or below half of "
                f"sample_rate_hz ({self.clip_rate_hz / 2:g} Hz)"
            )
        return self

    @model_validator(mode="after")
    def _check_rate(self) -> "Analysis":
        if self.sample_rate_hz % self.keep_every:
            raise ValueError(
                f"keep_every ({self.keep_every}) must divide sample_rate_hz "
                f"({self.sample_rate_hz}), or the clips have no whole rate"
            )
        return self

    @property
    def clip_rate_hz(self) -> int:
        """Sampling rate of the clips."""
        return self.sample_rate_hz // self.keep_every


class ExpectedFiles(Parameters):
    """How many recordings a complete corpus has."""

    where: dict[str, Texts] = {}
    """Columns and their values: only recordings with these values are counted."""
    recordings: int = Field(ge=0)
    """Number of recordings."""


class Link(Parameters):
    """Which recordings belong together by common columns."""

    kind: str
    """Kind of the recordings that are linked, such as `noise`."""
    to: str
    """Kind of the recordings that they are linked to, such as `rir`."""
    by: Texts = Field(min_length=1)
    """Columns whose values must be equal, such as the room."""


class Corpus(Parameters):
    """What the recordings are and where they come from; nothing about the question asked."""

    description: str = ""
    """One line for the report."""
    sources: list[AnySource] = Field(min_length=1)
    """Folders, archives or generators."""
    files: Texts = AUDIO_PATTERNS
    """Glob patterns of the files below each source's folder."""
    name_patterns: Texts = []
    """Regular expressions. The first that matches the end of a file's path gives columns by its
    named groups. Without patterns and a table, every file is taken."""
    lower_case_names: bool = False
    """Whether to convert names to lower case before patterns are applied."""
    metadata: str | None = None
    """A CSV file with a column `path` or `file`; its other columns are added."""
    kind: str = "recording"
    """Value of the column `kind` for files whose pattern does not give one."""
    simulated: bool = False
    """Whether reports must say that the recordings are simulated."""
    licence: str = "unknown"
    """Licence of the recordings, for the report."""
    citation: str = ""
    """How to cite the recordings, for the report."""
    how_to_get: str = ""
    """What an error message advises if the recordings are missing."""
    max_rejected_share: float = Field(default=0.1, ge=0, le=1)
    """Largest share of rejected files; a higher one stops the run."""
    expected: list[ExpectedFiles] = []
    """How many recordings there should be; differences are reported."""
    hashes: str | None = None
    """A file of SHA-256 hashes and names as `sha256sum` writes it, or a table with the columns
    `name` and `sha256`; a file with another hash is rejected."""
    link: Link | None = None
    """Which recordings belong together, such as noises and impulse responses of one room."""
    analysis: Analysis
    """How recordings become clips."""
