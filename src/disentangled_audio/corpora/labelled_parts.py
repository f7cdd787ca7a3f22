"""Which parts of which recordings the files of a corpus's `segments` label."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from disentangled_audio.corpora.describe import check_reserved
from disentangled_audio.corpora.label_files import Label, read_labels
from disentangled_audio.corpora.reading.parts import (
    BACKGROUND,
    Labelled,
    LeftOut,
    Part,
    counted_reasons,
    numbered,
)
from disentangled_audio.corpora.sources.folder import File, Located, RejectedError
from disentangled_audio.corpora.sources.places import files_of, find, label_of
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus, Segments
from disentangled_audio.parameters.names import shown

# Labels that only touch may overlap by rounding.
_ROUNDING_S = 0.01
_WILDCARDS = "*?["
_CORRECT = "correct the label"


@dataclass(frozen=True)
class LabelFile:
    """A file of labels.

    Attributes
    ----------
    name : str
        Its path below its source's folder, which begins with the source's label, or below a data
        folder.
    labels : list of Label
    """

    name: str
    labels: list[Label]


@dataclass(frozen=True)
class LabelledParts:
    """The labelled parts of a corpus.

    Attributes
    ----------
    by_recording : dict of Labelled
        By name; only of recordings that a file labels.
    left_out : list of LeftOut
        Labels that are not used, and recordings without labels.
    """

    by_recording: dict[str, Labelled]
    left_out: list[LeftOut]


def label_files(corpus: Corpus, folders: list[Path]) -> list[LabelFile]:
    """Read the files of `segments`; none without it, or if all sources must be fetched first.

    Raises
    ------
    UserError
        If a pattern matches no file, or a file cannot be read; names the file and the line.
    """
    if corpus.segments is None:
        return []
    column = corpus.segments.label_column
    check_reserved([column], "corpus.segments.label_column")
    found = _found(corpus, corpus.segments, folders)
    files = [LabelFile(name, _labels(file, name, column)) for name, file in sorted(found.items())]
    for file in files:
        check_reserved({name for label in file.labels for name in label.columns}, file.name)
    return files


def label_columns(corpus: Corpus, folders: list[Path]) -> list[str]:
    """List the columns that labels add to `recordings`."""
    if corpus.segments is None:
        return []
    return _columns(label_files(corpus, folders), corpus.segments)


def labelled_parts(
    corpus: Corpus, folders: list[Path], located: Sequence[Located]
) -> LabelledParts | None:
    """Give each recording its labelled parts; None for a corpus without `segments`.

    Parameters
    ----------
    corpus : Corpus
    folders : list of Path
        Folders that are searched for recordings and files of labels.
    located : sequence of Located
        The recordings of the corpus.

    Raises
    ------
    UserError
        As `label_files`; if `segments` refuses what it would leave out; if no label belongs to a
        recording.
    """
    if corpus.segments is None:
        return None
    files = label_files(corpus, folders)
    matched, left_out = _matched(files, located)
    columns = _columns(files, corpus.segments)
    by_recording = {}
    for name, labels in sorted(matched.items()):
        valid, faulty = _valid(name, labels)
        kept, overlapping = _without_overlaps(name, valid, corpus.segments)
        left_out += [*faulty, *overlapping]
        by_recording[name] = _labelled(kept, labels, columns, corpus.segments)
    check_left_out(left_out, corpus.segments)
    if not by_recording:
        raise UserError(
            f"no label belongs to a recording: corpus.segments has {len(left_out)} labels, first: "
            f"{left_out[0].reason}; recordings are such as {located[0].name}"
            if left_out
            else f"the files of corpus.segments {corpus.segments.files} have no label"
        )
    unlabelled = [recording.name for recording in located if recording.name not in by_recording]
    what_to_do = "label it, or leave it as it is: it is not used"
    left_out += [LeftOut(name, "no label names it", what_to_do) for name in unlabelled]
    return LabelledParts(by_recording, left_out)


def check_left_out(left_out: Iterable[LeftOut], segments: Segments) -> None:
    """Raise a UserError if `segments` refuses what would be left out."""
    for kind, allowed in (("invalid", "leave_out"), ("overlapping", "leave_out or keep")):
        refused = [entry for entry in left_out if entry.kind == kind]
        if refused and getattr(segments, kind) == "refuse":
            reasons = counted_reasons(entry.reason for entry in refused)
            raise UserError(
                f"{len(refused)} labels of corpus.segments cannot be used ({reasons}). "
                f"First: {refused[0].path}: {refused[0].reason}. Correct them, or set {kind}: "
                f"{allowed} under segments"
            )


def _found(corpus: Corpus, segments: Segments, folders: list[Path]) -> dict[str, File]:
    """Files of labels by name."""
    found: dict[str, File] = {}
    missing, is_complete = [], True
    for pattern in segments.files:
        own, all_there = _below_sources(pattern, corpus, folders)
        is_complete &= all_there
        own = own or _below_folders(pattern, folders)
        found |= own
        missing += [] if own else [pattern]
    if missing and is_complete:
        places = [str(find(source, corpus, folders)) for source in corpus.sources]
        raise UserError(
            f"corpus.segments: no file of labels matches {missing[0]!r}; looked below "
            f"{', '.join(dict.fromkeys([*places, *map(str, folders)]))}"
        )
    return found


def _below_sources(
    pattern: str, corpus: Corpus, folders: list[Path]
) -> tuple[dict[str, File], bool]:
    """Files that match below the sources, and whether all sources are on the disk."""
    if Path(pattern).expanduser().is_absolute() or ".." in PurePosixPath(pattern).parts:
        return {}, True
    places = [(source, find(source, corpus, folders)) for source in corpus.sources]
    found = {
        f"{label_of(source)}/{file.relative}": file
        for source, place in places
        if place is not None
        for file in files_of(source, place, [pattern])
    }
    return found, all(place is not None for _, place in places)


def _below_folders(pattern: str, folders: list[Path]) -> dict[str, File]:
    wanted = Path(pattern).expanduser()
    if wanted.is_absolute():
        base = Path(wanted.anchor)
        paths = sorted(base.glob(str(wanted.relative_to(base))))
        return {str(path): File(path, str(path)) for path in paths if path.is_file()}
    if any(sign in pattern for sign in _WILDCARDS):
        # A data folder has other corpora, too.
        return {}
    path = next((folder / wanted for folder in folders if (folder / wanted).is_file()), None)
    return {} if path is None else {pattern: File(path, pattern)}


def _labels(file: File, name: str, column: str) -> list[Label]:
    try:
        return read_labels(file.read(), name, column)
    except RejectedError as error:
        raise UserError(f"file of labels {file}: {error}; {error.what_to_do}") from error


def _columns(files: list[LabelFile], segments: Segments) -> list[str]:
    others = [name for file in files for label in file.labels for name in label.columns]
    return list(dict.fromkeys([segments.label_column, *others]))


class _Names:
    """Finds recordings by the names that people write for them."""

    def __init__(self, located: Sequence[Located]) -> None:
        self._by_key: dict[str, dict[str, Located]] = defaultdict(dict)
        for recording in located:
            parts = PurePosixPath(_plain(recording.name)).parts
            for first in range(len(parts)):
                self._add("/".join(parts[first:]), recording)

    def _add(self, key: str, recording: Located) -> None:
        for name in (key, str(PurePosixPath(key).with_suffix(""))):
            self._by_key[name.casefold()][recording.name] = recording

    def find(self, written: str, folder: str = "") -> list[Located]:
        """Give the recordings that a name can mean, best those in a folder; none if none can."""
        key = _plain(written)
        found = self._named(_plain(f"{folder}/{key}")) or self._named(key)
        return found or self._from_elsewhere(key)

    def _named(self, key: str) -> list[Located]:
        found = list(self._by_key.get(key.casefold(), {}).values())
        exact = [recording for recording in found if _plain(recording.name).endswith(key)]
        return exact if len(exact) == 1 else found

    def _from_elsewhere(self, key: str) -> list[Located]:
        """Find a recording whose whole path ends a path of another machine."""
        parts = PurePosixPath(key).parts
        tails = ["/".join(parts[first:]) for first in range(1, len(parts))]
        for tail in tails:
            whole = [
                recording
                for recording in self._named(tail)
                if tail.casefold() in (_plain(recording.relative).casefold(), recording.name)
            ]
            if whole:
                return whole
        return []


def _plain(name: str) -> str:
    path = unicodedata.normalize("NFC", name).replace("\\", "/")
    return str(PurePosixPath(path)).strip("/")


def _matched(
    files: list[LabelFile], located: Sequence[Located]
) -> tuple[dict[str, list[Label]], list[LeftOut]]:
    """Labels by the name of their recording, and those that belong to none."""
    names = _Names(located)
    matched: dict[str, list[Label]] = defaultdict(list)
    left_out = []
    for file in files:
        folder = str(PurePosixPath(file.name).parent)
        of_track = _of_track(names, file.name)
        # A track without labels says that there is nothing but background.
        for recording in of_track if not file.labels and len(of_track) == 1 else []:
            matched[recording.name] += []
        for label in file.labels:
            found = names.find(label.file, folder) if label.file else of_track
            if len(found) == 1:
                matched[found[0].name].append(label)
            else:
                left_out.append(_without_recording(file, label, found, located))
    return {name: _once(labels) for name, labels in matched.items()}, left_out


def _once(labels: list[Label]) -> list[Label]:
    """Keep one of labels that several files have."""
    each = {(label.start_s, label.end_s, label.text): label for label in reversed(labels)}
    return list(each.values())[::-1]


def _of_track(names: _Names, name: str) -> list[Located]:
    """Find the recording whose name begins that of a file of labels: `a.wav` for `a.labels.txt`."""
    path = PurePosixPath(_plain(name))
    stem = path.stem
    while stem:
        found = names.find(stem, str(path.parent))
        if found or "." not in stem:
            return found
        stem = stem.rpartition(".")[0]
    return []


def _without_recording(
    file: LabelFile, label: Label, found: list[Located], located: Sequence[Located]
) -> LeftOut:
    named = f"{label.origin} names {shown(label.file)}" if label.file else label.origin
    if found:
        both = " and ".join(recording.name for recording in found[:2])
        reason = f"the label may belong to several recordings: {named}; there are {both}"
        return LeftOut(label.file or file.name, reason, "write the path of one", "invalid")
    reason = f"the label's recording is not there: {named}; there is {located[0].name}"
    what_to_do = "correct its name, or add the recording"
    return LeftOut(label.file or file.name, reason, what_to_do, "invalid")


def _valid(name: str, labels: list[Label]) -> tuple[list[Label], list[LeftOut]]:
    """Separate labels that cannot be used from the others."""
    faults = [(label, _fault(label)) for label in labels]
    left_out = [
        LeftOut(_part_name(name, label), f"{fault}: {label.origin}", _CORRECT, "invalid")
        for label, fault in faults
        if fault
    ]
    return [label for label, fault in faults if not fault], left_out


def _fault(label: Label) -> str:
    if label.end_s < label.start_s:
        return "the label ends before it starts"
    if label.end_s == label.start_s:
        return "the label is a point without duration"
    if label.start_s < 0:
        return "the label starts before its recording"
    return "" if label.text else "the label has no text"


def _part_name(name: str, label: Label) -> str:
    return f"{name}{Part(label.start_s, label.end_s).suffix}"


def _without_overlaps(
    name: str, labels: list[Label], segments: Segments
) -> tuple[list[Label], list[LeftOut]]:
    labels = sorted(labels, key=lambda label: (label.start_s, label.end_s, label.text))
    if segments.overlapping == "keep":
        return labels, []
    partners = _overlaps(labels)
    left_out = [
        LeftOut(
            _part_name(name, label),
            f"the label overlaps another: {label.text} ({label.origin}) and "
            f"{labels[partners[place]].text} ({labels[partners[place]].origin})",
            _CORRECT,
            "overlapping",
        )
        for place, label in enumerate(labels)
        if place in partners
    ]
    return [label for place, label in enumerate(labels) if place not in partners], left_out


def _overlaps(labels: list[Label]) -> dict[int, int]:
    """Places of labels that overlap one of another text, and the place of that one."""
    partners: dict[int, int] = {}
    current: list[int] = []
    for place, label in enumerate(labels):
        current = [k for k in current if labels[k].end_s > label.start_s + _ROUNDING_S]
        for other in current:
            if labels[other].text != label.text:
                partners.setdefault(place, other)
                partners.setdefault(other, place)
        current.append(place)
    return partners


def _labelled(
    kept: list[Label], labels: list[Label], columns: list[str], segments: Segments
) -> Labelled:
    none = dict.fromkeys(columns)
    parts = tuple(
        numbered(
            Part(
                *(label.start_s, label.end_s),
                {**none, **label.columns, columns[0]: label.text},
                label.origin,
            )
            for label in kept
        )
    )
    if segments.background == "none":
        return Labelled(parts)
    taken = tuple(sorted(sorted((label.start_s, label.end_s)) for label in labels))
    return Labelled(parts, taken, {**none, columns[0]: BACKGROUND}, segments.minimum_s)
