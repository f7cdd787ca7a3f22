"""Finds the files of a corpus."""

import logging
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import soundfile
from rich.progress import Progress

from disentangled_audio.corpora.archive_source import archive_folder, archive_label
from disentangled_audio.corpora.simulate import generate_twin, twin_files
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import ArchiveSource, Corpus, FolderSource, GeneratorSource

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Located:
    """A file of a corpus.

    Attributes
    ----------
    path : Path
        Where it lies.
    source : str
        Which source it comes from.
    relative : str
        Its path below the source's folder; what name patterns are matched with.
    """

    path: Path
    source: str
    relative: str

    @property
    def name(self) -> str:
        """What the file is called in tables; unique in a corpus."""
        return f"{self.source}/{self.relative}"


def locate(corpus: Corpus, folders: list[Path]) -> list[Located]:
    """All files of a corpus that match its `files`, sorted by name.

    Parameters
    ----------
    corpus : Corpus
    folders : list of Path
        Where relative folders are looked for, first match wins; generators, downloads and
        what is extracted go below the last one.

    Raises
    ------
    UserError
        If a source is missing or cannot be had, or no file matches; names the places looked
        at. If `files` is no pattern, or two files would have one name.
    """
    located = [
        Located(path, label, path.relative_to(folder).as_posix())
        for label, folder in _source_folders(corpus, folders)
        for path in _matching(folder, corpus.files)
    ]
    if not located:
        places = ", ".join(str(folder) for _, folder in _source_folders(corpus, folders))
        raise UserError(f"no file matches {corpus.files} below {places}")
    located.sort(key=lambda item: item.name)
    for one, other in pairwise(located):
        if one.name == other.name:
            raise UserError(
                f"two sources give {one.name}: {one.path} and {other.path}; list a folder once, "
                "and give folders different names"
            )
    return located


def listed(corpus: Corpus, folders: list[Path]) -> list[tuple[str, str, int]]:
    """Source, relative path and channels of every file, without generating or decoding any.

    A header is read only where the channels are items; a file without a readable one counts as
    having one channel.
    """
    made = [source for source in corpus.sources if isinstance(source, GeneratorSource)]
    files = [
        (_label(source), name, group.n_channels)
        for source in made
        for name, group in twin_files(source.files_per_group).items()
    ]
    kept = [source for source in corpus.sources if source not in made]
    if kept:
        found = locate(corpus.model_copy(update={"sources": kept}), folders)
        each = corpus.analysis.channel == "each"
        files += [(f.source, f.relative, _n_channels(f.path) if each else 1) for f in found]
    return sorted(files)


def _n_channels(path: Path) -> int:
    try:
        return soundfile.info(path).channels
    except (soundfile.LibsndfileError, OSError):
        return 1


def _source_folders(corpus: Corpus, folders: list[Path]) -> list[tuple[str, Path]]:
    return [
        (_label(source), _folder_of(source, corpus.how_to_get, folders))
        for source in corpus.sources
    ]


def _label(source: FolderSource | ArchiveSource | GeneratorSource) -> str:
    if isinstance(source, ArchiveSource):
        return archive_label(source)
    if isinstance(source, GeneratorSource):
        return source.generator
    folder = Path(source.folder)
    elsewhere = folder.is_absolute() or source.folder.startswith("~")
    return folder.name if elsewhere else folder.as_posix()


def _folder_of(
    source: FolderSource | ArchiveSource | GeneratorSource, how_to_get: str, folders: list[Path]
) -> Path:
    if isinstance(source, ArchiveSource):
        return archive_folder(source, how_to_get, folders)
    if isinstance(source, GeneratorSource):
        return _generated(source, folders[-1])
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


def _generated(source: GeneratorSource, folder: Path) -> Path:
    size = "" if source.files_per_group is None else f"_{source.files_per_group}_per_group"
    target = folder / f"{source.generator}_seed{source.seed}{size}"
    if not target.is_dir():
        logger.info("Generating the simulated recordings in %s, this once", target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with Progress(transient=True) as bar:
            task = bar.add_task("generating", total=None)
            generate_twin(
                target,
                seed=source.seed,
                files_per_group=source.files_per_group,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
    return target


def _matching(folder: Path, patterns: list[str]) -> set[Path]:
    try:
        return {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    except (ValueError, NotImplementedError) as error:
        raise UserError(
            f"corpus.files {patterns}: {error}; write a pattern such as '**/*.wav'"
        ) from error
