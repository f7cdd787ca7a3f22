"""Sources of recordings: folders, archives and generators, and how files hold their samples."""

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import Discriminator, Field, Tag, model_validator

from disentangled_audio.parameters.base import Parameters, Texts
from disentangled_audio.parameters.names import is_file_name, shown

_HASH = "^(md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$"


class AudioFormat(Parameters):
    """Audio files that libsndfile reads: wav, flac, ogg, mp3 and others."""

    reader: Literal["audio"] = "audio"
    """Name of this format."""


class MatFormat(Parameters):
    """MATLAB files (level 5) with one signal each."""

    reader: Literal["mat"]
    """Name of this format."""
    samples: str
    """Name of the variable with the samples."""
    sample_rate: str
    """Name of the variable with the sampling rate in Hz; `a.b` is field `b` of structure `a`."""


class RawFormat(Parameters):
    """Files without a header: little-endian samples of one channel."""

    reader: Literal["raw"]
    """Name of this format."""
    encoding: Literal["int16", "int32", "float32", "float64"]
    """Type of the samples. Integers are scaled to the range from -1 to 1; floats are not scaled."""
    sample_rate_hz: int = Field(gt=0)
    """Sampling rate of the files, in Hz."""


Format = Annotated[AudioFormat | MatFormat | RawFormat, Field(discriminator="reader")]


class Source(Parameters):
    """Settings of every kind of source, which override those of the corpus."""

    label: str | None = Field(default=None, min_length=1)
    """Name of the source in paths and messages; null uses the name of its folder or archive."""
    files: Texts | None = None
    """Glob patterns of the files; null uses those of the corpus."""
    name_patterns: Texts | None = None
    """Regular expressions for the files' names; null uses those of the corpus."""
    columns: dict[str, str] = {}
    """Columns with one value for all files, unless a file's name or the table has another."""
    licence: str | None = None
    """Licence of the recordings; null uses that of the corpus."""
    citation: str | None = None
    """How to cite the recordings; null uses the citation of the corpus."""
    format: Format = AudioFormat()
    """How the files store their samples."""
    channel_files: str | None = None
    """Regular expression with a group `channel`. Files whose paths differ only in that group are
    channels of one recording, whose name is the rest of the path."""
    n_channel_files: int | None = Field(default=None, ge=1)
    """Number of channel files of each recording; null reports only gaps between channels."""
    max_files: int | None = Field(default=None, ge=1)
    """Largest number of recordings, spread evenly over the sorted names; null uses all."""


class FolderSource(Source):
    """Recordings in a folder."""

    folder: str
    """Folder of the recordings: an absolute path, or a path below a data folder."""


class TwinSource(Source):
    """The simulated twin of SLR28's real recordings; the same seed gives the same files."""

    generator: Literal["twin"]
    """Name of this generator."""
    seed: int = Field(default=0, ge=0)
    """Seed of the simulation."""
    files_per_group: int | None = Field(default=None, ge=1)
    """Largest number of files of each database, kind and room; null makes all."""


class FactorsSource(Source):
    """Synthesised clips of known content, rhythm and pitch; the same seed gives the same files."""

    generator: Literal["factors"]
    """Name of this generator."""
    seed: int = Field(default=0, ge=0)
    """Seed of the synthesis."""
    content_levels: int = Field(default=5, ge=2, le=8)
    """Number of contents (vowels)."""
    rhythm_levels: int = Field(default=4, ge=2, le=6)
    """Number of rhythms (patterns of onsets)."""
    pitch_levels: int = Field(default=5, ge=2, le=12)
    """Number of pitches (fundamental frequencies)."""
    takes: int = Field(default=10, ge=1, le=1000)
    """Number of clips per combination."""
    min_duration_s: float = Field(default=0.6, ge=0.5, le=2.0)
    """Length of the shortest clip, in seconds. Lengths are drawn independently of the factors."""
    max_duration_s: float = Field(default=1.0, ge=0.5, le=2.0)
    """Length of the longest clip, in seconds."""
    sample_rate_hz: int = Field(default=16000, ge=8000, le=48000)
    """Sampling rate of the clips, in Hz."""

    @model_validator(mode="after")
    def _check_durations(self) -> "FactorsSource":
        if self.min_duration_s > self.max_duration_s:
            raise ValueError(
                f"min_duration_s ({self.min_duration_s:g}) is above max_duration_s "
                f"({self.max_duration_s:g})"
            )
        return self


class ArchiveSource(Source):
    """Recordings in a zip or tar archive: at a URL, in a local file, or already extracted."""

    archive: Texts | None = None
    """Local file, as an absolute path or below a data folder. Of several names, the first that
    exists is used, and a download gets the first. Null uses the last part of the URL."""
    url: Texts = []
    """URL of the archive if there is no local file; several are mirrors, tried in turn. Without
    `archive`, a URL with another file name is another archive of the same recordings, tried if no
    mirror of the first responds."""
    hash: Annotated[str, Field(pattern=_HASH)] | None = None
    """Hash of the archive: `md5:…`, `sha1:…`, `sha256:…` or `sha512:…`. Null trusts the first
    download and compares later ones with it."""
    members: Texts = ["*"]
    """Patterns of the members to extract; `*` matches any characters, including `/`."""
    subfolder: Texts = Field(default=[""], min_length=1)
    """Folder of the recordings in the archive, as a glob pattern; of several, the first that
    exists. An extracted folder with this name below a data folder replaces the archive."""
    folder: str | None = None
    """Another folder that replaces the archive if it exists."""
    extract: bool = True
    """Whether to extract the archive; false reads a zip in place and extracts nothing."""
    max_extracted_gb: float = Field(default=50.0, gt=0)
    """Largest size of the extracted files, in gigabytes; larger archives are refused."""
    max_ratio: float = Field(default=100.0, gt=1)
    """Largest ratio of extracted to packed size; archives with a higher one are refused."""

    @model_validator(mode="after")
    def _check_place(self) -> "ArchiveSource":
        if not self.names or not all(self.names):
            raise ValueError("an archive needs archive (a file) or url (ending in a file's name)")
        for name in [*self.names, *self.mirrors]:
            if not is_file_name(name):
                raise ValueError(
                    f"archive {shown(name)} is not a safe file name; set archive to another name"
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
                f"hash belongs to one file, but url names {', '.join(self.mirrors)}; set archive "
                "if they are the same file under several names"
            )
        return self

    @property
    def name(self) -> str:
        """Name of the archive file; empty if it is unknown."""
        return next(iter(self.mirrors), "")

    @property
    def names(self) -> list[str]:
        """All possible names of the archive file."""
        kept = [PurePosixPath(archive).name for archive in self.archive or []]
        return kept or list(self.mirrors)

    @property
    def mirrors(self) -> dict[str, list[str]]:
        """URLs by the file name of their download, in the order in which they are tried."""
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
    """Kind of a source by its keys, so that errors concern only that kind."""
    given = value.model_dump() if isinstance(value, Source) else value
    if not isinstance(given, dict):
        return "folder"
    if "generator" in given:
        return str(given["generator"])
    return "archive" if given.keys() & {"archive", "url"} else "folder"


# Sources that synthesise their files.
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
