"""Finds the recordings of a corpus."""

import io
import logging
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from disentangled_audio.corpora.reading.readers import RejectedError
from disentangled_audio.corpora.sources.archive_source import (
    archive_label,
    archive_place,
    archive_record,
    limits_of,
)
from disentangled_audio.corpora.sources.files import File, files_in_folder, files_in_zip
from disentangled_audio.corpora.sources.generated import generated_files, generated_folder
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import (
    GENERATORS,
    AnySource,
    ArchiveSource,
    Corpus,
    FolderSource,
    Format,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Located:
    """A recording of a corpus.

    Attributes
    ----------
    files : tuple of File
        The file; one a channel, in their order, where channels are files of their own.
    label : str
        Which source it comes from.
    relative : str
        Its path below the source's folder; what name patterns are matched with.
    source : Source
        The source, which may have its own patterns and format.
    missing_channels : tuple of int
        Numbers of the channels whose files are not there.
    """

    files: tuple[File, ...]
    label: str
    relative: str
    source: AnySource
    missing_channels: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """What the recording is called in tables; unique in a corpus."""
        return f"{self.label}/{self.relative}"

    @property
    def format(self) -> Format:
        """How its samples are stored."""
        return self.source.format


def locate(corpus: Corpus, folders: list[Path]) -> list[Located]:
    """All recordings of a corpus, sorted by name.

    Parameters
    ----------
    corpus : Corpus
    folders : list of Path
        Where relative folders are looked for, first match wins; generators, downloads and
        what is extracted go below the last one.

    Raises
    ------
    UserError
        If a source is missing or cannot be had, or no file of it matches; names the places
        looked at. If `files` or `channel_files` is no pattern, or two recordings would have one
        name.
    """
    located = [item for source in corpus.sources for item in _of_source(source, corpus, folders)]
    located.sort(key=lambda item: item.name)
    for one, other in pairwise(located):
        if one.name == other.name:
            raise UserError(
                f"two sources give {one.name}: {one.files[0]} and {other.files[0]}; list a folder "
                "once, and give sources different labels"
            )
    return located


def listed(corpus: Corpus, folders: list[Path]) -> list[tuple[Located, int]]:
    """Every recording and its channels, without generating or decoding any.

    A header is read only where the channels are items; a file without a readable one counts as
    having one channel.
    """
    made = [source for source in corpus.sources if isinstance(source, GENERATORS)]
    recordings = [
        (Located((), label_of(source), name, source), n_channels)
        for source in made
        for name, n_channels in _thinned(sorted(generated_files(source).items()), source.max_files)
    ]
    kept = [source for source in corpus.sources if source not in made]
    if kept:
        each = corpus.analysis.channel == "each"
        found = locate(corpus.model_copy(update={"sources": kept}), folders)
        recordings += [(item, _n_channels(item) if each else 1) for item in found]
    return sorted(recordings, key=lambda entry: entry[0].name)


def source_records(corpus: Corpus, folders: list[Path]) -> list[dict[str, Any]]:
    """Where the recordings of each source came from, for the manifest of a run."""
    records = []
    for source in corpus.sources:
        record = source.model_dump(include={"folder", "generator", "seed"})
        if isinstance(source, ArchiveSource):
            record = archive_record(source, folders)
        records.append({"label": label_of(source), **record})
    return records


def label_of(source: AnySource) -> str:
    """What a source is called in tables, wherever its files lie."""
    if source.label is not None:
        return source.label
    if isinstance(source, ArchiveSource):
        return archive_label(source)
    if isinstance(source, GENERATORS):
        return source.generator
    folder = Path(source.folder)
    elsewhere = folder.is_absolute() or source.folder.startswith("~")
    return folder.name if elsewhere else folder.as_posix()


def _of_source(source: AnySource, corpus: Corpus, folders: list[Path]) -> list[Located]:
    patterns = corpus.files if source.files is None else source.files
    place = _place(source, corpus.how_to_get, folders)
    if isinstance(source, ArchiveSource) and place.is_file():
        limits = limits_of(source)
        files = files_in_zip(place, source.subfolder, source.members, patterns, limits)
    else:
        files = files_in_folder(place, patterns)
    if not files:
        raise UserError(f"no file matches {patterns} below {place}")
    recordings = sorted(_recordings(files, source.channel_files).items())
    label = label_of(source)
    # Not the smallest of all: a stray file must not make every recording lack a channel.
    firsts = Counter(min(channels) for _, channels in recordings)
    first = min(firsts, key=lambda number: (-firsts[number], number))
    return [
        Located(
            tuple(channels[number] for number in sorted(channels)),
            label,
            relative,
            source,
            _missing(channels, first, source.n_channel_files),
        )
        for relative, channels in _thinned(recordings, source.max_files)
    ]


def _missing(channels: dict[int, File], first: int, n_channels: int | None) -> tuple[int, ...]:
    """Numbers that a recording lacks, counted from where most recordings of a source begin."""
    end = max(channels) + 1 if n_channels is None else first + n_channels
    return tuple(sorted(set(range(first, end)) - set(channels)))


def _place(source: AnySource, how_to_get: str, folders: list[Path]) -> Path:
    """The folder with a source's files, or the zip that is read in place."""
    if isinstance(source, ArchiveSource):
        return archive_place(source, how_to_get, folders)
    if isinstance(source, FolderSource):
        return _folder(source, how_to_get, folders)
    return generated_folder(source, folders[-1])


def _folder(source: FolderSource, how_to_get: str, folders: list[Path]) -> Path:
    wanted = Path(source.folder).expanduser()
    candidates = [wanted] if wanted.is_absolute() else [base / wanted for base in folders]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    looked = "\n".join(f"  {candidate}" for candidate in candidates)
    raise UserError(
        f"recordings not found; looked at\n{looked}\n{how_to_get}\n"
        "To use recordings that lie elsewhere, set DISENTANGLED_AUDIO_DATA to the folder that "
        f"holds {wanted}."
    )


def _recordings(files: list[File], channel_files: str | None) -> dict[str, dict[int, File]]:
    """Files by the recording that they belong to, and by the number of their channel."""
    if channel_files is None:
        return {file.relative: {0: file} for file in files}
    pattern = _channel_pattern(channel_files)
    channels: dict[str, dict[int, File]] = defaultdict(dict)
    for file in files:
        match = pattern.search(file.relative)
        digits = "" if match is None else "".join(filter(str.isdigit, match["channel"]))
        start, end = (0, 0) if match is None else match.span("channel")
        name = file.relative[:start] + file.relative[end:]
        channels[name][int(digits or 0)] = file
    return channels


def _channel_pattern(text: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(f"channel_files {text!r} is not a regular expression: {error}") from error
    if "channel" not in pattern.groupindex:
        raise UserError(f"channel_files {text!r} needs a group (?P<channel>…)")
    return pattern


def _thinned(items: list[Any], most: int | None) -> list[Any]:
    """So many items, evenly spread, so that no class or room is favoured by its place."""
    if most is None or len(items) <= most:
        return items
    return [items[index] for index in np.linspace(0, len(items) - 1, most).round().astype(int)]


def _n_channels(recording: Located) -> int:
    if recording.format.reader != "audio" or len(recording.files) > 1:
        return len(recording.files)
    file = recording.files[0]
    if file.fault is not None:
        # A pipe would wait for its writer.
        return 1
    try:
        header = file.path if file.member is None else io.BytesIO(file.read())
        return soundfile.info(header).channels
    except (soundfile.LibsndfileError, RejectedError, OSError):
        return 1
