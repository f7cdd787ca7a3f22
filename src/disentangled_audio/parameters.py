"""Typed parameters, checked by Kedro before the first node runs.

Names carry units. An unknown key is an error that names it.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args
from urllib.parse import unquote, urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from disentangled_audio.storage.safe_names import is_file_name, shown

Share = Annotated[float, Field(gt=0, lt=1)]


def _as_list(value: object) -> object:
    # --params passes a single value as a plain string or number.
    return [value] if isinstance(value, str | int | float) else value


def _as_texts(value: object) -> object:
    listed = _as_list(value)
    return [str(item) for item in listed] if isinstance(listed, list) else listed


Texts = Annotated[list[str], BeforeValidator(_as_texts)]
Numbers = Annotated[list[float], BeforeValidator(_as_list)]
Counts = Annotated[tuple[int, ...], BeforeValidator(_as_list)]
AUDIO_FILES = ("wav", "flac", "ogg", "mp3")
# In any case: some recorders write `.WAV`, some people `.Wav`.
AUDIO_PATTERNS = [
    f"**/*.{''.join(f'[{letter}{letter.upper()}]' for letter in name)}" for name in AUDIO_FILES
]
_HASH = "^(md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"


class Parameters(BaseModel):
    """Base of all parameter groups: unknown keys are refused, values cannot be changed."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _name_unknown_keys(cls, values: Any) -> Any:
        unknown = (
            [] if not isinstance(values, dict) else sorted(set(values) - set(cls.model_fields))
        )
        if unknown:
            raise ValueError(
                f"unknown key {', '.join(map(str, unknown))}; allowed are "
                f"{', '.join(cls.model_fields)}"
            )
        return values


class AudioFormat(Parameters):
    """Files with a header that libsndfile knows: wav, flac, ogg, mp3 and others."""

    reader: Literal["audio"] = "audio"


class MatFormat(Parameters):
    """MATLAB files (level 5), one signal each.

    Attributes
    ----------
    samples : name of the variable with the samples.
    sample_rate : name of the variable with the sampling rate in hertz; a dot leads into a
        structure.
    """

    reader: Literal["mat"]
    samples: str
    sample_rate: str


class RawFormat(Parameters):
    """Files without a header: little-endian samples of one channel.

    Attributes
    ----------
    encoding : type of the samples; whole numbers are scaled to -1 up to 1, others are kept.
    sample_rate_hz : their rate.
    """

    reader: Literal["raw"]
    encoding: Literal["int16", "int32", "float32", "float64"]
    sample_rate_hz: int = Field(gt=0)


Format = Annotated[AudioFormat | MatFormat | RawFormat, Field(discriminator="reader")]


class Source(Parameters):
    """What all sources may say of their files; what is left out is as the corpus says.

    Attributes
    ----------
    label : what the source is called in paths and messages; its folder or archive otherwise.
    files, name_patterns, licence, citation : in place of the corpus's, for this source alone.
    columns : columns with one value for all its files, unless a name or the table has another.
    format : how the samples are stored.
    channel_files : regular expression with a group `channel`. Files whose paths differ in that
        group alone are the channels of one recording, which is called by what remains.
    n_channel_files : how many channels each recording has; without it only gaps are noticed.
    max_files : take only so many recordings, evenly spread over their sorted names.
    """

    label: str | None = Field(default=None, min_length=1)
    files: Texts | None = None
    name_patterns: Texts | None = None
    columns: dict[str, str] = {}
    licence: str | None = None
    citation: str | None = None
    format: Format = AudioFormat()
    channel_files: str | None = None
    n_channel_files: int | None = Field(default=None, ge=1)
    max_files: int | None = Field(default=None, ge=1)


class FolderSource(Source):
    """Recordings that lie in a folder (absolute, or below one of the data folders)."""

    folder: str


class TwinSource(Source):
    """The simulated twin of SLR28's real folder, the same for the same seed."""

    generator: Literal["twin"]
    seed: int = Field(default=0, ge=0)
    files_per_group: int | None = Field(default=None, ge=1)


class FactorsSource(Source):
    """Synthesised clips of known content, rhythm and pitch, the same for the same seed.

    Attributes
    ----------
    content_levels, rhythm_levels, pitch_levels : how many levels each factor has.
    takes : clips of each combination.
    min_duration_s, max_duration_s : range of the clips' duration, drawn whatever their levels.
    """

    generator: Literal["factors"]
    seed: int = Field(default=0, ge=0)
    content_levels: int = Field(default=5, ge=2, le=8)
    rhythm_levels: int = Field(default=4, ge=2, le=6)
    pitch_levels: int = Field(default=5, ge=2, le=12)
    takes: int = Field(default=10, ge=1, le=1000)
    min_duration_s: float = Field(default=0.6, ge=0.5, le=2.0)
    max_duration_s: float = Field(default=1.0, ge=0.5, le=2.0)
    sample_rate_hz: int = Field(default=16000, ge=8000, le=48000)

    @model_validator(mode="after")
    def _check_durations(self) -> "FactorsSource":
        if self.min_duration_s > self.max_duration_s:
            raise ValueError(
                f"min_duration_s ({self.min_duration_s:g}) is above max_duration_s "
                f"({self.max_duration_s:g})"
            )
        return self


class ArchiveSource(Source):
    """Recordings in a zip or tar archive: at a URL, as a local file, or already extracted.

    Attributes
    ----------
    archive : the local file, absolute or below one of the data folders; with `url`, the name
        under which the download is kept (the URL's own last part otherwise). Several are names
        under which the file may be there; downloads get the first.
    url : where it is downloaded from if it is not there; several are mirrors, tried in turn.
        Without `archive`, URLs that end in another name are another archive of the same
        recordings, which is asked for if no mirror of the first is there.
    hash : `md5:…`, `sha1:…`, `sha256:…` or `sha512:…` of the archive; null takes the first
        download as it is and compares later ones with it.
    members : patterns of the members to extract; `*` stands for any characters, also `/`.
    subfolder : folder in the archive that holds the recordings, as a glob pattern; of several,
        the first that is there. An extracted folder of this name below a data folder is used in
        place of the archive.
    folder : another folder that is used in place of the archive if it is there.
    extract : False reads a zip in place, and writes nothing beside it.
    max_extracted_gb : archives that hold more than so many gigabytes are refused.
    max_ratio : archives that hold more than so many times their own size are refused.
    """

    archive: Texts | None = None
    url: Texts = []
    hash: Annotated[str, Field(pattern=_HASH)] | None = None
    members: Texts = ["*"]
    subfolder: Texts = Field(default=[""], min_length=1)
    folder: str | None = None
    extract: bool = True
    max_extracted_gb: float = Field(default=50.0, gt=0)
    max_ratio: float = Field(default=100.0, gt=1)

    @model_validator(mode="after")
    def _check_place(self) -> "ArchiveSource":
        if not self.names or not all(self.names):
            raise ValueError("an archive needs archive (a file) or url (ending in a file's name)")
        for name in [*self.names, *self.mirrors]:
            if not is_file_name(name):
                raise ValueError(
                    f"archive {shown(name)} is no name to keep a file under; set archive"
                )
        for url in self.url:
            if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
                raise ValueError(f"url {url!r} must start with http:// or https://")
        for subfolder in self.subfolder:
            folder = PurePosixPath(subfolder)
            if folder.is_absolute() or ".." in folder.parts:
                raise ValueError(f"subfolder {subfolder!r} must lie inside the archive")
        if self.hash and not self.archive and len(self.mirrors) > 1:
            raise ValueError(
                f"hash can be that of one file only, but url names {', '.join(self.mirrors)}; "
                "set archive if they are one file under several names"
            )
        return self

    @property
    def name(self) -> str:
        """What the archive file is called; empty if that cannot be told."""
        return next(iter(self.mirrors), "")

    @property
    def names(self) -> list[str]:
        """All names that the archive file may have."""
        kept = [PurePosixPath(archive).name for archive in self.archive or []]
        return kept or list(self.mirrors)

    @property
    def mirrors(self) -> dict[str, list[str]]:
        """URLs by the name under which their download is kept, in the order they are asked."""
        if self.archive:
            return {PurePosixPath(self.archive[0]).name: self.url}
        named: dict[str, list[str]] = {}
        for url in self.url:
            named.setdefault(_last_part(url), []).append(url)
        return named


def _last_part(url: str) -> str:
    # An encoded separator must not lead out of the folder of downloads.
    name = unquote(urlsplit(url).path).replace("\\", "/").rpartition("/")[2]
    return "" if name in (".", "..") else name


def _kind_of_source(value: Any) -> str:
    """What tells the sources apart, so that an error is about the one that is meant."""
    given = value.model_dump() if isinstance(value, Source) else value
    if not isinstance(given, dict):
        return "folder"
    if "generator" in given:
        return str(given["generator"])
    return "archive" if given.keys() & {"archive", "url"} else "folder"


# Generators make their files themselves.
GENERATORS = (TwinSource, FactorsSource)
AnySource = Annotated[
    Annotated[FolderSource, Tag("folder")]
    | Annotated[ArchiveSource, Tag("archive")]
    | Annotated[TwinSource, Tag("twin")]
    | Annotated[FactorsSource, Tag("factors")],
    Discriminator(
        _kind_of_source,
        custom_error_type="generator",
        custom_error_message="generator must be twin or factors",
    ),
]


class Analysis(Parameters):
    """How each recording becomes one fixed-length clip (or one per channel).

    Attributes
    ----------
    channel : the first channel, the mean of all, or each as an item of its own.
    sample_rate_hz : recordings of another rate are resampled to it.
    keep_every : keep only every so many-th sample of that, without a filter. More than 1 aliases;
        it is there to repeat what was published.
    duration_s : length of the clips; `longest` takes that of the longest recording.
    min_duration_s : shorter recordings are rejected.
    align : start at the file's start, or just before the direct sound (kind `rir` alone).
    pre_direct_s : how long before the direct sound an aligned clip starts.
    fill : what stands where a clip reaches beyond the recording; `zeros` show a model how long
        the recording was, `noise_floor` goes on as the recording ends.
    band_hz : the same band for all, so that bandwidth tells no source; None keeps all.
    normalise_energy : scale every clip to a root mean square of one.
    """

    channel: Literal["first", "mean", "each"] = "first"
    sample_rate_hz: int = Field(gt=0)
    keep_every: int = Field(default=1, ge=1, le=100)
    duration_s: Annotated[float, Field(ge=0.01, le=60)] | Literal["longest"]
    min_duration_s: float = Field(default=0.05, ge=0)
    align: Literal["start", "direct_sound"] = "start"
    pre_direct_s: float = Field(default=0.0025, ge=0)
    fill: Literal["zeros", "noise_floor"] = "zeros"
    band_hz: tuple[float, float] | None = None
    normalise_energy: bool = True

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
    """How many recordings with these values of their columns a complete corpus has."""

    where: dict[str, Texts] = {}
    recordings: int = Field(ge=0)


class Link(Parameters):
    """Recordings of one kind that belong to those of another by common columns.

    Attributes
    ----------
    kind : what is linked, such as `noise`.
    to : what it is linked to, such as `rir`.
    by : columns whose values must be the same, such as the room.
    """

    kind: str
    to: str
    by: Texts = Field(min_length=1)


class Corpus(Parameters):
    """What the recordings are and where they come from; nothing about the question asked.

    Attributes
    ----------
    description, licence, citation, how_to_get : text for the report and for error messages.
    sources : folders, archives or generators.
    files : glob patterns below each source's folder.
    name_patterns : regular expressions; the first that matches a file's path to its end gives
        columns by its named groups. Without patterns and table every file is taken.
    lower_case_names : write names in lower case before patterns are applied.
    metadata : a CSV file with a column `path` or `file`; its other columns are added.
    kind : the column `kind` of files whose pattern does not give one.
    simulated : whether reports must say so.
    max_rejected_share : more rejected files than this stop the run.
    expected : how many recordings there should be; others are told.
    hashes : a file with the SHA-256 of each file and its name, as `sha256sum` writes it, or a
        table with columns `name` and `sha256`; a file with another hash is rejected.
    link : noises and the impulse responses of their rooms, or the like.
    analysis : how recordings become clips.
    """

    description: str = ""
    sources: list[AnySource] = Field(min_length=1)
    files: Texts = AUDIO_PATTERNS
    name_patterns: Texts = []
    lower_case_names: bool = False
    metadata: str | None = None
    kind: str = "recording"
    simulated: bool = False
    licence: str = "unknown"
    citation: str = ""
    how_to_get: str = ""
    max_rejected_share: float = Field(default=0.1, ge=0, le=1)
    expected: list[ExpectedFiles] = []
    hashes: str | None = None
    link: Link | None = None
    analysis: Analysis


class Split(Parameters):
    """How rows are given their role. Validation rows are cut from the training groups.

    Attributes
    ----------
    strategy : `random` rows, whole groups (`grouped`), one named group, a given `column`, or
        `combinations` of the values of `group_by`: of these every fold has the same share of
        each value, and of each pair of values where folds and values are as many.
    fold : which fold is the test part: a number, or a group for `leave_one_group_out`.
    n_folds : folds of `random`, `grouped` and `combinations`.
    repeats : how often cross-validation draws such folds anew.
    repeat : which of the repeats, from 0.
    validation_folds : one of so many parts of the training groups is for validation; fewer parts
        where there are fewer groups.
    column, train, test : the column that decides, its training values (None: all others) and its
        test values (None: each value is a fold, and `fold` says which one is tested).
    allow_missing_classes : let validation or test lack a class.
    """

    strategy: Literal["random", "grouped", "leave_one_group_out", "column", "combinations"]
    fold: str | int | None = None
    n_folds: int = Field(default=4, ge=2)
    repeats: int = Field(default=1, ge=1, le=1000)
    repeat: int = Field(default=0, ge=0)
    validation_folds: int = Field(default=4, ge=2)
    column: str | None = None
    train: Texts | None = None
    test: Texts | None = None
    allow_missing_classes: bool = False

    @model_validator(mode="after")
    def _check_column(self) -> "Split":
        if self.strategy == "column" and not self.column:
            raise ValueError(
                "strategy 'column' needs column, and test (a list of its values) or none"
            )
        if self.train and not self.test:
            raise ValueError("train needs test: without it, each value of the column is a fold")
        if self.repeat >= self.repeats:
            raise ValueError(f"repeat {self.repeat} must be below repeats ({self.repeats})")
        if self.repeats > 1 and self.strategy in ("leave_one_group_out", "column"):
            raise ValueError(
                f"repeats ({self.repeats}) needs folds that are drawn; those of "
                f"'{self.strategy}' are given"
            )
        both = set(self.train or []) & set(self.test or [])
        if both:
            raise ValueError(f"train and test share the values {sorted(both)}")
        return self


class Protocol(Parameters):
    """What is asked of a corpus: the target, the groups that stay together, the split.

    Attributes
    ----------
    target : column to predict.
    labels : values of the target to the labels that stand for them, so that corpora with other
        names, or finer ones, can be asked the same; rows with another value are unused.
    group_by : columns that together name the groups; without any, each item is its own.
    factors : columns that representations may be examined for.
    where : column to the values that are kept; other rows are unused.
    unlabelled : column to values whose rows have no target: the encoders learn to rebuild them,
        nothing else sees them.
    analysis : values that this protocol needs in place of the corpus's own.
    seed : seed of the split, where a published split is to be repeated; the run's otherwise.
    split : how rows get their role.
    """

    target: str
    labels: dict[str, str] = {}
    group_by: Texts = []
    factors: Texts = []
    where: dict[str, Texts] = {}
    unlabelled: dict[str, Texts] = {}
    analysis: dict[str, Any] = {}
    seed: int | None = Field(default=None, ge=0)
    split: Split

    @model_validator(mode="after")
    def _check_combinations(self) -> "Protocol":
        if self.split.strategy == "combinations" and len(self.group_by) < 2:
            raise ValueError("strategy 'combinations' needs two or more columns in group_by")
        return self


class ParallelParameters(Parameters):
    """Where chunks of recordings are read and transformed.

    Attributes
    ----------
    backend : processes (`loky`) or threads (`threading`) of this machine, or a `dask` cluster.
    n_jobs : how many processes or threads; a cluster has as many as it has.
    scheduler_address : of the cluster, such as `tcp://10.0.0.1:8786`.
    """

    backend: Literal["loky", "threading", "dask"] = "loky"
    n_jobs: int = Field(default=2, ge=1, le=1024)
    scheduler_address: str | None = None

    @model_validator(mode="after")
    def _check_address(self) -> "ParallelParameters":
        if self.backend == "dask" and not self.scheduler_address:
            raise ValueError("backend dask needs scheduler_address, such as tcp://10.0.0.1:8786")
        return self


class FourierParameters(Parameters):
    """Spectrum of the whole clip, then PCA fitted on training rows.

    Attributes
    ----------
    n_components : principal components kept.
    floor_db : lowest level of a bin, below which there is rounding noise.
    max_exact_rows : up to so many training rows are held and decomposed at once; above, PCA
        comes from a covariance that is summed up chunk by chunk.
    """

    n_components: int = Field(default=60, ge=1)
    floor_db: float = Field(default=-80.0, lt=0)
    max_exact_rows: int = Field(default=5000, ge=2)


class AcousticParameters(Parameters):
    """What is measured of impulse responses.

    Attributes
    ----------
    centre_hz : centres of the bands, in Hz.
    bands_per_octave : 1 for octave bands, 3 for third-octave bands.
    late_windows_s : start and end, in seconds after the direct sound, of each part of the decay
        whose slope is measured.
    direct_s : how long the direct sound lasts from its start.
    bandwidth_share : share of the energy that lies below the bandwidth.
    """

    centre_hz: Numbers = [125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0]
    bands_per_octave: Literal[1, 3] = 1
    late_windows_s: list[tuple[float, float]] = [(0.05, 0.1), (0.1, 0.2), (0.2, 0.4)]
    direct_s: float = Field(default=0.0025, gt=0, le=0.05)
    bandwidth_share: Share = 0.99

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
    """Mel cepstra of the time-normalised clip, for the classical members.

    Attributes
    ----------
    n_cepstra : coefficients that are kept, the level among them; at most `views.n_mels`.
    n_frames : steps from the first to the last loud frame.
    trim_db : how far below the loudest frame either end is cut off; the cepstra of several trims
        stand beside each other.
    """

    n_cepstra: int = Field(default=13, ge=1)
    n_frames: int = Field(default=16, ge=2)
    trim_db: Numbers = Field(default=[20.0, 30.0, 40.0], min_length=1)


class AugmentationParameters(Parameters):
    """Extra training rows; 0 copies switches augmentation off.

    Attributes
    ----------
    copies : changed copies of each training row.
    min_snr_db, max_snr_db : range of the level of the clip over added white noise.
    max_gain_db, max_shift_s, max_speed_change, max_tilt_db_per_octave : largest change either
        way; speed as a share (0.03 is 3 %).
    pca_jitter : noise on each component, as a share of its spread.
    max_rows : of more copies, only so many randomly chosen ones are made; a corpus with that
        many rows of its own has little need of them.
    """

    copies: int = Field(default=2, ge=0)
    min_snr_db: float = 15.0
    max_snr_db: float = 40.0
    max_gain_db: float = Field(default=6.0, ge=0)
    max_shift_s: float = Field(default=0.005, ge=0)
    max_speed_change: float = Field(default=0.03, ge=0, lt=0.5)
    max_tilt_db_per_octave: float = Field(default=1.0, ge=0)
    pca_jitter: float = Field(default=0.1, ge=0)
    max_rows: int = Field(default=10000, ge=1)

    @model_validator(mode="after")
    def _check_snr(self) -> "AugmentationParameters":
        if self.min_snr_db > self.max_snr_db:
            raise ValueError(
                f"min_snr_db ({self.min_snr_db:g}) is above max_snr_db ({self.max_snr_db:g})"
            )
        return self


Code = Literal["content", "rhythm", "pitch", "timbre"]
# In the order in which tables and the decoder take them.
CODES: tuple[Code, ...] = get_args(Code)


class ViewParameters(Parameters):
    """What each encoder may see of a clip.

    Attributes
    ----------
    clip_window_s : clips longer than this are cut into windows of this length, in seconds. Each
        is a row of the views; what is said of a clip is the mean over its windows.
    clip_hop_s : time from one such window to the next, in seconds.
    whole_clips : keep clips in one piece and frame counts as they are given, however long the clip
        is. It is there to repeat what was published.
    window_s : analysis window of the mel spectrogram, in seconds.
    hop_s : time between frames of the views in absolute time, in seconds.
    n_mels : mel bands from `min_hz` to `max_hz`.
    min_hz : lower corner of the first mel band.
    max_hz : upper corner of the last mel band; None takes the Nyquist frequency.
    dynamic_range_db : what lies this far below a clip's peak is 0 in a view, the peak is 1.
    rhythm_bands : groups of neighbouring mel bands whose energies are the rhythm view.
    content_frames : frames of the time-normalised views, or more in long clips.
    content_step_s : largest time between such frames in a clip that is active from end to end.
    trim_db : frames further than this below the loudest one, at either end, are cut off before
        time normalisation.
    pitch : `f0` (salience over log frequency, and voicing) or `contour` (the course of the
        fundamental and its median, interpolated where nothing is voiced, so that neither pauses
        nor timbre show) for voiced sounds, `modal` for impulse responses.
    f0_min_hz, f0_max_hz : range of the fundamental, for `f0` and `contour`.
    f0_bins_per_octave : resolution of the fundamental, for `f0` and `contour`.
    f0_span_octaves : width of the pitch view around the clip's median fundamental, for `f0`.
    f0_relative_to_clip : centre the pitch view on the clip's median fundamental, so that it shows
        melody and not who speaks; False keeps absolute frequency, for `f0` and `contour`.
    voicing_threshold : salience from which a frame counts as voiced, for `f0`.
    modal_window_s : window of the modal pattern, at most the clip, for `modal`.
    modal_frames : frames of the modal pattern from the clip's start to its end, or more in long
        clips, for `modal`.
    modal_step_s : largest time between such frames.
    modal_min_hz, modal_max_hz : range of the modal pattern, for `modal`.
    modal_bins : frequencies of the modal pattern, for `modal`.
    """

    clip_window_s: float = Field(default=3.0, ge=0.1, le=60.0)
    clip_hop_s: float = Field(default=1.5, ge=0.05, le=60.0)
    whole_clips: bool = False
    window_s: float = Field(default=0.032, gt=0.0, le=0.5)
    hop_s: float = Field(default=0.016, gt=0.0, le=0.5)
    n_mels: int = Field(default=40, ge=8, le=256)
    min_hz: float = Field(default=40.0, ge=0.0)
    max_hz: float | None = Field(default=None, gt=0.0)
    dynamic_range_db: float = Field(default=80.0, gt=0.0, le=160.0)
    rhythm_bands: int = Field(default=4, ge=1, le=64)
    content_frames: int = Field(default=32, ge=8, le=512)
    content_step_s: float = Field(default=1.0 / 32.0, ge=0.005)
    trim_db: float = Field(default=35.0, gt=0.0, le=120.0)
    pitch: Literal["f0", "contour", "modal"] = "f0"
    f0_min_hz: float = Field(default=70.0, gt=0.0)
    f0_max_hz: float = Field(default=400.0, gt=0.0)
    f0_bins_per_octave: int = Field(default=24, ge=4, le=96)
    f0_span_octaves: float = Field(default=1.5, gt=0.0, le=4.0)
    f0_relative_to_clip: bool = True
    voicing_threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    modal_window_s: float = Field(default=0.25, gt=0.0)
    modal_frames: int = Field(default=4, ge=1, le=64)
    modal_step_s: float = Field(default=0.25, ge=0.01)
    modal_min_hz: float = Field(default=30.0, gt=0.0)
    modal_max_hz: float = Field(default=500.0, gt=0.0)
    modal_bins: int = Field(default=64, ge=8, le=512)

    @model_validator(mode="after")
    def _check(self) -> "ViewParameters":
        if self.clip_hop_s > self.clip_window_s:
            raise ValueError(
                f"clip_hop_s ({self.clip_hop_s:g}) is above clip_window_s "
                f"({self.clip_window_s:g}): what lies between windows would not be heard"
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


class CodeTerm(Parameters):
    """A loss of one code and some factors.

    Attributes
    ----------
    weight : weight of each factor's term in the sum of losses; 0 switches it off.
    of : the factors: `target`, `group`, a factor that the protocol names, or what is measured of
        every clip (`duration`, `level`, `median_f0`, `t20`).
    """

    weight: float = Field(default=1.0, ge=0.0)
    of: Texts = Field(min_length=1)


class IndependenceTerm(CodeTerm):
    """What a code must not say of some factors, among clips that are alike in others.

    Attributes
    ----------
    within : factors whose classes (or thirds) make the cells in which the code must say nothing
        more; an empty list asks for independence altogether.
    """

    within: Texts = ["target"]


class DisentanglerParameters(Parameters):
    """Size, losses, augmentation and schedule of the disentangler.

    Attributes
    ----------
    method : `separated` uses every loss below; `triple_bottleneck` (after SpeechSplit) separates by
        inputs and bottlenecks alone: encoders learn from the reconstruction, the head reads the
        codes without teaching them; `adversarial` (after Hung et al.) has two encoders, content and
        pitch, that both see the whole spectrogram, with `readouts` and `adversaries` and without
        `independence` and `compactness`.
    content_dim, rhythm_dim, pitch_dim : length of each code; the narrower, the less it can say.
    timbre_dim : length of a fourth code that sees only the clip's mean spectrum; 0 leaves it out.
    content_channels : filters of the content encoder's convolutions, each of stride 2.
    pitch_channels : filters of the pitch encoder's convolutions, each of stride 2 in time.
    rhythm_channels : filters of the rhythm encoder's convolutions, each of stride 2 in time.
    decoder_units : hidden units between the codes and the decoder's smallest grid.
    decoder_channels : filters of the decoder, from its smallest grid on; each step doubles it.
    pitch_spectrum_units : hidden units between the pitch code and a spectrum that the decoder adds
        to sounding frames; 0 adds none.
    head_units : hidden units of the classifier head; 0 makes the head linear.
    head_codes : codes the classifier head sees.
    round_for_head : the head sees `quantised` codes as they are after rounding; False shows it how
        sure each dimension was, and leaves the rounded code to all who read codes.
    auxiliary_weight : weight of the cross-entropy of a second head, in training alone, on what the
        content encoder finds before its bottleneck (method `separated`); 0 leaves it out.
    dropout : share of features dropped before each code and in the head; 0 switches it off.
    code_noise : standard deviation of Gaussian noise on what the classifier head sees of the codes
        in training, where a code has unit scale; 0 switches it off.
    reconstruction_weight : weight of the log-mel error, as a share of its variance in the
        training rows; 0 switches it off.
    classification_weight : weight of the cross-entropy in nats; 0 switches it off.
    readouts : by code, factors that a linear head must be able to tell from it; 1 is the loss of
        knowing nothing.
    independence : by code, factors that it must not depend on (a kernel measure from 0 to 1).
    compactness : by code, factors whose classes (or thirds) are to be a point each in it; the loss
        is the share of the code's variance that lies within them.
    adversaries : by code, factors that a head tries to tell from it, while the encoder is trained
        against that head.
    ramp_epochs : epochs over which the weights of `independence`, `compactness` and `adversaries`
        rise.
    variational_weight : weight of the divergence of each code's distribution from a standard
        normal one, in nats a dimension; above 0, codes are drawn from that distribution in
        training; 0 leaves their number, and `quantised`, as the bottleneck.
    quantised : by code, levels that each of its dimensions is rounded to; a code that is not named,
        or is None, is not rounded, nor is any code with `variational_weight`.
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
    early_level : largest change of what follows the direct sound, in the content and rhythm views,
        as a share of their dynamic range (0.125 of 80 dB is 10 dB), as the distance from the
        source changes it; 0 switches it off.
    early_frames : the direct sound is over after 1 to so many frames.
    frequency_warp : largest relative stretch of the content view's mel axis; 0 switches it off.
    mask : largest share of a view's frames, and of its bands, that are blanked; 0 switches it
        off.
    view_noise : standard deviation of Gaussian noise on the standardised views; 0 switches it
        off.
    epochs : passes over the training rows (or `max_epoch_rows` of them), at most, before the refit.
    patience_epochs : epochs without a better validation loss before training stops.
    refit_epochs : further epochs, from the weights that validation chose, on training and
        validation rows together; the step size rises and falls once more. The model after them is
        kept, the one before them only tells how good such a model is: its answers for validation
        rows are what temperatures, weights and thresholds are set on, as if the other were no
        surer of itself. 0 leaves them out.
    batch_size : rows a step.
    learning_rate : largest step size; it rises over the first epochs and falls to zero along a
        half cosine over `epochs`.
    weight_decay : decoupled weight decay; 0 switches it off.
    weight_averaging : momentum, per epoch, of the moving average of weights that is validated and
        kept; 0 keeps each epoch's own weights. One validation group is a noisy judge of single
        epochs, and averages depend less on which epoch it prefers.
    max_epoch_rows : training rows of an epoch at most, drawn anew for each; with more rows,
        standardisation and the validation loss come from as many, drawn once.
    """

    method: Literal["separated", "triple_bottleneck", "adversarial"] = "separated"
    content_dim: int = Field(default=16, ge=1, le=512)
    rhythm_dim: int = Field(default=4, ge=1, le=512)
    pitch_dim: int = Field(default=6, ge=1, le=512)
    timbre_dim: int = Field(default=0, ge=0, le=512)
    content_channels: Counts = Field(default=(16, 32, 48), min_length=1, max_length=4)
    pitch_channels: Counts = Field(default=(24, 24, 24), min_length=1, max_length=4)
    rhythm_channels: Counts = Field(default=(16, 16, 16), min_length=1, max_length=4)
    decoder_units: int = Field(default=128, ge=1, le=4096)
    decoder_channels: Counts = Field(default=(32, 24), min_length=1, max_length=4)
    pitch_spectrum_units: int = Field(default=0, ge=0, le=4096)
    head_units: int = Field(default=64, ge=0, le=4096)
    head_codes: Annotated[tuple[Code, ...], BeforeValidator(_as_list)] = Field(
        default=("content",), min_length=1
    )
    round_for_head: bool = True
    auxiliary_weight: float = Field(default=0.0, ge=0.0)
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0)
    code_noise: float = Field(default=0.0, ge=0.0)
    reconstruction_weight: float = Field(default=0.3, ge=0.0)
    classification_weight: float = Field(default=1.0, ge=0.0)
    readouts: dict[Code, CodeTerm] = {}
    independence: dict[Code, IndependenceTerm] = {}
    compactness: dict[Code, CodeTerm] = {}
    adversaries: dict[Code, CodeTerm] = {}
    ramp_epochs: int = Field(default=10, ge=0)
    variational_weight: float = Field(default=0.0, ge=0.0)
    quantised: dict[Code, Annotated[int, Field(ge=2, le=256)] | None] = {}
    label_smoothing: float = Field(default=0.1, ge=0.0, lt=1.0)
    balance_classes: bool = True
    segment_min_frames: int = Field(default=6, ge=2)
    segment_max_frames: int = Field(default=12, ge=2)
    stretch: float = Field(default=0.5, ge=0.0, lt=1.0)
    shift: float = Field(default=0.1, ge=0.0, lt=0.5)
    tilt: float = Field(default=0.075, ge=0.0)
    noise_floor: float = Field(default=0.5, ge=0.0, lt=1.0)
    early_level: float = Field(default=0.0, ge=0.0, lt=1.0)
    early_frames: int = Field(default=2, ge=1)
    frequency_warp: float = Field(default=0.08, ge=0.0, lt=0.5)
    mask: float = Field(default=0.0, ge=0.0, lt=1.0)
    view_noise: float = Field(default=0.1, ge=0.0)
    epochs: int = Field(default=30, ge=1)
    patience_epochs: int = Field(default=20, ge=1)
    refit_epochs: int = Field(default=0, ge=0)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=3e-3, gt=0.0)
    weight_decay: float = Field(default=1e-3, ge=0.0)
    weight_averaging: float = Field(default=0.8, ge=0.0, lt=1.0)
    max_epoch_rows: int = Field(default=8192, ge=1)

    @model_validator(mode="after")
    def _check(self) -> "DisentanglerParameters":
        if self.segment_min_frames > self.segment_max_frames:
            raise ValueError("segment_min_frames exceeds segment_max_frames")
        if len(set(self.head_codes)) != len(self.head_codes):
            raise ValueError("head_codes names a code twice")
        for name in ("head_codes", "readouts", "independence", "compactness", "adversaries"):
            if "timbre" in getattr(self, name) and self.timbre_dim == 0:
                raise ValueError(f"{name} names timbre, but timbre_dim is 0")
        if self.reconstruction_weight == 0.0 and self.classification_weight == 0.0:
            raise ValueError("every loss is switched off")
        return self

    @property
    def codes(self) -> tuple[Code, ...]:
        """Codes that the model has, in the order of `CODES`."""
        lacking = {"rhythm"} if self.method == "adversarial" else set()
        if self.timbre_dim == 0:
            lacking.add("timbre")
        return tuple(name for name in CODES if name not in lacking)

    def levels(self, code: Code) -> int | None:
        """Levels that a code's dimensions are rounded to."""
        return None if self.variational_weight else self.quantised.get(code)

    @property
    def terms(self) -> "CodeTerms":
        """Losses of codes and factors that the method uses, of codes that the model has."""
        if self.method == "triple_bottleneck":
            return CodeTerms({}, {}, {}, {})
        readouts, independence, compactness, adversaries = (
            {code: term for code, term in terms.items() if code in self.codes}
            for terms in (self.readouts, self.independence, self.compactness, self.adversaries)
        )
        if self.method == "adversarial":
            independence, compactness = {}, {}
            adversaries = adversaries or _wrong_heads(readouts)
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
        """Every factor that a loss needs."""
        terms = [
            *self.readouts.values(),
            *self.independence.values(),
            *self.compactness.values(),
            *self.adversaries.values(),
        ]
        named = [name for term in terms for name in term.of]
        named += [name for term in self.independence.values() for name in term.within]
        return list(dict.fromkeys(named))


def _wrong_heads(readouts: dict[Code, CodeTerm]) -> dict[Code, CodeTerm]:
    """Content must not tell what pitch tells, and pitch not the target."""
    wrong: dict[Code, CodeTerm] = {"pitch": CodeTerm(of=["target"])}
    if "pitch" in readouts:
        wrong["content"] = CodeTerm(of=readouts["pitch"].of)
    return wrong


class SvmParameters(Parameters):
    """Grid of the RBF SVM, searched by inner cross-validation over training groups.

    Attributes
    ----------
    C : weights of training errors that are tried.
    gamma_scale : kernel widths that are tried; 1 is scikit-learn's `scale`.
    inner_folds : folds of the search, over training groups.
    max_search_rows : training rows of the search at most, drawn at random.
    n_jobs : processes of the search.
    max_exact_rows : up to so many rows, augmented ones included, the SVM is fitted exactly;
        above, the kernel is approximated from landmarks (Nyström), in time and memory that grow
        with the rows and not with their square.
    n_landmarks : training rows that the approximated kernel is spanned by.
    """

    C: Numbers = [0.3, 1.0, 3.0, 10.0, 30.0]
    gamma_scale: Numbers = [0.1, 0.3, 1.0, 3.0]
    inner_folds: int = Field(default=4, ge=2)
    max_search_rows: int = Field(default=3000, ge=10)
    n_jobs: int = Field(default=2, ge=1)
    max_exact_rows: int = Field(default=5000, ge=10)
    n_landmarks: int = Field(default=1000, ge=2)

    @model_validator(mode="after")
    def _check_grid(self) -> "SvmParameters":
        for name in ("C", "gamma_scale"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ValueError(f"{name} needs one or more values above 0, got {values}")
        return self


class HybridParameters(Parameters):
    """Fusion of the members' probabilities, chosen on validation rows."""

    max_temperature: float = Field(default=10.0, gt=1)


class AuditParameters(Parameters):
    """What the audit measures of clips, for its controls.

    Attributes
    ----------
    direct_s : how long the first sound is listened to.
    direct_bands : bands of its spectrum.
    long_term_bands, long_term_min_hz : bands of the whole clip's spectrum, and where they begin.
    """

    direct_s: float = Field(default=0.005, gt=0, le=1)
    direct_bands: int = Field(default=16, ge=2, le=256)
    long_term_bands: int = Field(default=24, ge=2, le=256)
    long_term_min_hz: float = Field(default=50.0, gt=0)


class DisentanglementParameters(Parameters):
    """How disentanglement is measured.

    Attributes
    ----------
    carried_by : factor to the code that should carry it, for block scores and swaps; the target
        by content if it is empty. Attributes of a code that the model does not have are left out.
    max_items : rows of the leakage matrix and of the block scores at most, drawn at random.
    raw_components : principal components of the log-mel spectrogram, the raw control.
    n_examples : inputs of the swaps that are kept to be seen and heard.
    """

    carried_by: dict[str, Code] = {}
    max_items: int = Field(default=3000, ge=50)
    raw_components: int = Field(default=40, ge=2)
    n_examples: int = Field(default=4, ge=1, le=100)


class CrossValidationParameters(Parameters):
    """Which folds are run, and what is measured of them.

    Attributes
    ----------
    folds : names of some of the protocol's folds; None runs all.
    disentanglement : whether to measure of each fold what each code says of each factor.
    """

    folds: Texts | None = None
    disentanglement: bool = True


class InferenceParameters(Parameters):
    """What is classified, with which trained models.

    Attributes
    ----------
    recordings : files, folders, glob patterns or zip archives.
    kind : such as `rir`, of all recordings that the corpus does not have, whatever they are called;
        None takes what their names say, or the corpus's own.
    model_version : version of the run that trained the models, as `run_manifest` has it; None
        takes the newest of the corpus and protocol.
    """

    recordings: Texts = []
    kind: str | None = None
    model_version: str | None = None


class EvaluationParameters(Parameters):
    """Intervals of the scores, and the optional rejection of doubtful items.

    Attributes
    ----------
    n_resamples : int
        Bootstrap resamples per interval.
    reject_below : float or None
        Calibrated confidence below which the hybrid's label is rejected.
    max_risk : float or None
        Instead of `reject_below`: the error rate that the kept items may have; validation rows
        choose the confidence.
    """

    n_resamples: int = Field(default=1000, ge=100)
    reject_below: Share | None = None
    max_risk: Share | None = None

    @model_validator(mode="after")
    def _check_rejection(self) -> "EvaluationParameters":
        if self.reject_below is not None and self.max_risk is not None:
            raise ValueError(
                f"reject_below ({self.reject_below:g}) and max_risk ({self.max_risk:g}) both "
                "choose what is rejected; give one and leave the other null"
            )
        return self
