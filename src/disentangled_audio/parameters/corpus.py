"""Corpora: descriptions and sources of recordings, and how recordings become clips."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from disentangled_audio.parameters.base import Parameters, Texts
from disentangled_audio.parameters.sources import AnySource

# Endings of the files that libsndfile reads, and of those that only ffmpeg reads.
SNDFILE_FILES = (
    *("wav", "flac", "ogg", "mp3", "aif", "aiff", "aifc", "opus", "oga", "au", "snd", "caf"),
    *("wave", "bwf", "rf64", "bw64", "w64", "mp1", "mp2", "mpga", "8svx", "16sv", "svx", "iff"),
    *("avr", "htk", "ircam", "sf", "nist", "sph", "paf", "pvf", "sds", "voc", "wve", "xi"),
)
FFMPEG_FILES = (
    *("m4a", "m4b", "m4r", "aac", "adts", "wma", "asf", "mp4", "m4v", "mov", "3gp", "3ga", "3g2"),
    *("webm", "weba", "mka", "mkv", "amr", "awb", "ac3", "eac3", "dts", "ape", "wv", "tta", "tak"),
    *("mpc", "ra", "rm", "spx", "dsf", "dff", "avi", "flv"),
)
AUDIO_FILES = (*SNDFILE_FILES, *FFMPEG_FILES)
# Upper and lower case, because some recorders write `.WAV`.
AUDIO_PATTERNS = [
    f"**/*.{''.join(f'[{letter}{letter.upper()}]' for letter in name)}" for name in AUDIO_FILES
]


class Analysis(Parameters):
    """How each recording becomes one clip of fixed length (or one clip per channel)."""

    channel: Literal["first", "mean", "loudest", "each"] = "first"
    """Channel to use: the `first`, the `mean` of all, the `loudest`, or `each` as an item of its
    own. A model that uses the first channel hears the loudest one of a recording with more channels
    than the training recordings."""
    sample_rate_hz: int = Field(gt=0)
    """Sampling rate in Hz; recordings with another rate are resampled."""
    keep_every: int = Field(default=1, ge=1, le=100)
    """Decimation without a filter: 2 keeps every second sample. Values above 1 cause aliasing; use
    them only to repeat a published experiment."""
    duration_s: Annotated[float, Field(ge=0.01, le=60)] | Literal["longest"]
    """Length of the clips in seconds; `longest` uses the length of the longest recording."""
    min_duration_s: float = Field(default=0.05, ge=0)
    """Shortest recording in seconds that is accepted; shorter ones are rejected."""
    part: Literal["loudest", "beginning", "windows"] = "loudest"
    """Part of a longer recording that is used: the `loudest` or the `beginning`, as one clip, or
    `windows`, which make an item each and cover all of it. Clips that start at the direct sound
    stay one."""
    hop_s: float | None = Field(default=None, gt=0)
    """Time in seconds from the start of one of the `windows` to the next, at most `duration_s`;
    null uses half of `duration_s`."""
    align: Literal["start", "direct_sound"] = "start"
    """Start of the clip: the `start` of the file, or just before the `direct_sound` (only for the
    kind `rir`)."""
    pre_direct_s: float = Field(default=0.0025, ge=0)
    """Time in seconds from the start of an aligned clip to the direct sound."""
    fill: Literal["zeros", "noise_floor"] = "zeros"
    """How to fill a clip after the end of its recording. `zeros` reveal the recording's length to
    a model; `noise_floor` continues with noise at the recording's final level."""
    band_hz: tuple[float, float] | None = None
    """Lower and upper limit in Hz of a band-pass filter for all clips, so that the bandwidth does
    not reveal the source; null applies no filter."""
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
    def _check_hop(self) -> "Analysis":
        if self.hop_s and self.duration_s != "longest" and self.hop_s > self.duration_s:
            raise ValueError(
                f"hop_s ({self.hop_s:g}) is above duration_s ({self.duration_s:g}): parts between "
                "windows would be lost"
            )
        return self

    @model_validator(mode="after")
    def _check_rate(self) -> "Analysis":
        if self.sample_rate_hz % self.keep_every:
            raise ValueError(
                f"keep_every ({self.keep_every}) must divide sample_rate_hz "
                f"({self.sample_rate_hz}), so that the rate of the clips is an integer"
            )
        return self

    @property
    def clip_rate_hz(self) -> int:
        """Sampling rate of the clips in Hz."""
        return self.sample_rate_hz // self.keep_every


class ExpectedFiles(Parameters):
    """How many recordings a complete corpus has."""

    where: dict[str, Texts] = {}
    """Values by column; only recordings with these values are counted."""
    recordings: int = Field(ge=0)
    """Number of recordings."""


class Link(Parameters):
    """Which recordings belong together because of equal columns."""

    kind: str
    """Kind of the recordings to link, such as `noise`."""
    to: str
    """Kind of the recordings to link them to, such as `rir`."""
    by: Texts = Field(min_length=1)
    """Columns whose values must be equal, such as `room`."""


class Segments(Parameters):
    """Labelled parts of recordings, each of which becomes an item.

    The files alone are enough: `segments: labels.csv`.
    """

    files: Texts = Field(min_length=1)
    """Files of labels: Audacity label tracks, Raven selection tables, or tables with the columns
    `start` and `end`. Names or glob patterns, such as `"**/*.txt"`, below the folders of the
    sources; names are also looked for below the data folders."""
    label_column: str = Field(default="label", min_length=1)
    """Column of `recordings` that takes the labels, and column of the tables that has them. A table
    without it may have one of another name, if it is the only one that can be meant."""
    overlapping: Literal["refuse", "leave_out", "keep"] = "refuse"
    """What to do with parts of a recording that overlap and have different labels: `refuse` stops
    the run, `leave_out` uses none of them, `keep` uses all."""
    invalid: Literal["refuse", "leave_out"] = "refuse"
    """What to do with labels that cannot be used: whose end is not after their start, which reach
    beyond their recording, have no text, or belong to no recording. `refuse` stops the run,
    `leave_out` lists them in `rejected_recordings`."""
    background: Literal["none", "rest"] = "none"
    """Whether the `rest` of each labelled recording is a class of its own, `background`, in parts
    of the clips' length."""
    minimum_s: float | None = Field(default=None, gt=0)
    """Shortest part of the rest in seconds; null uses half of `analysis.duration_s`."""

    @model_validator(mode="before")
    @classmethod
    def _from_files(cls, values: Any) -> Any:
        return {"files": values} if isinstance(values, str | list) else values


class Corpus(Parameters):
    """Description and sources of recordings, independent of the classification task."""

    description: str = ""
    """Description in one line, for the report."""
    sources: list[AnySource] = Field(min_length=1)
    """Folders, archives or generators."""
    files: Texts | None = None
    """Glob patterns of the files below each source's folder; null takes all audio files, by their
    endings. Files that systems leave there (`._a.wav`, `__MACOSX`, hidden folders) are ignored."""
    name_patterns: Texts = []
    """Regular expressions for the end of a file's path. The named groups of the first that matches
    become columns. Without patterns and a table, every file is used."""
    lower_case_names: bool = False
    """Whether to convert names to lower case before matching patterns."""
    metadata: str | None = None
    """CSV file with a column `path` or `file`, whose other columns are added."""
    metadata_key: str | None = None
    """Column of that file with the paths or names of the recordings; null uses `path` or `file`."""
    segments: Segments | None = None
    """Files that label parts of the recordings; each part becomes an item."""
    kind: str = "recording"
    """Value of the column `kind` for files whose names do not contain one. The environment `folder`
    also chooses its values by it: `rir` stands for room impulse responses."""
    simulated: bool = False
    """Whether reports must say that the recordings are simulated."""
    licence: str = "unknown"
    """Licence of the recordings, for the report."""
    citation: str = ""
    """How to cite the recordings, for the report."""
    how_to_get: str = ""
    """Advice for the error message if the recordings are missing."""
    max_rejected_share: float = Field(default=0.1, ge=0, le=1)
    """Largest accepted share of rejected files; a larger share stops the run. Files that need
    ffmpeg, where it is not installed, do not count."""
    expected: list[ExpectedFiles] = []
    """Expected numbers of recordings; differences are reported."""
    hashes: str | None = None
    """File of SHA-256 hashes and names as written by `sha256sum`, or table with the columns `name`
    and `sha256`; recordings with another hash are rejected."""
    link: Link | None = None
    """Which recordings belong together, such as noises and impulse responses of one room."""
    analysis: Analysis
    """How recordings become clips."""
