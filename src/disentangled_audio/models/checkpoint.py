"""Training state in one file, from which a killed run resumes."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.errors import UserError
from disentangled_audio.storage.hashing import content_hash
from disentangled_audio.storage.temporaries import remove_leftovers, write_whole

_logger = logging.getLogger(__name__)

_FILE_NAME = "checkpoint.npz"
_FACTS = "facts"

Arrays = dict[str, list[NDArray[Any]]]


class Checkpoint:
    """The last state of one training.

    A training with other inputs replaces the file. The file stays after training, because the run
    may be killed before the model is saved.

    Parameters
    ----------
    folder : Path
        Created when it is first needed.
    digest : str
        Hash of everything that the training depends on; a state with another digest is ignored.
    """

    def __init__(self, folder: Path, digest: str) -> None:
        self._folder = folder
        self._path = folder / _FILE_NAME
        self._digest = digest

    def load(self) -> tuple[Arrays, dict[str, Any]] | None:
        """Arrays and facts of the last `save` with this digest; None if none can be read."""
        remove_leftovers(self._folder)
        if not self._path.exists():
            return None
        try:
            arrays, facts = _read(self._path)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            _logger.warning("%s is damaged (%s); training starts again", self._path, error)
            return None
        if facts.pop("digest") != self._digest:
            return None
        return arrays, facts

    def save(self, arrays: Arrays, facts: dict[str, Any]) -> None:
        """Replace the state atomically.

        Parameters
        ----------
        arrays : dict of lists of arrays
        facts : dict
            Anything that JSON can hold; floats keep every bit.

        Raises
        ------
        UserError
            If the disk is full or the folder is not writable.
        """
        content = {
            f"{name}/{number:04d}": array
            for name, group in arrays.items()
            for number, array in enumerate(group)
        }
        text = json.dumps({**facts, "digest": self._digest, "groups": list(arrays)})
        content[_FACTS] = np.array(text)
        try:
            write_whole(self._path, lambda path: np.savez(path, **content))  # type: ignore[arg-type] # no name is `allow_pickle`
        except OSError as error:
            raise UserError(
                f"the training state cannot be written to {self._folder}: {error}. Make room, or "
                "make the folder writable; the next run resumes from the last state there"
            ) from error


def digest_of(arrays: Iterable[NDArray[Any]], facts: dict[str, Any]) -> str:
    """SHA-256 of arrays, with their types and shapes, and of anything that JSON can hold."""
    return content_hash(_parts(arrays, facts))


def _parts(arrays: Iterable[NDArray[Any]], facts: dict[str, Any]) -> Iterator[bytes | memoryview]:
    yield json.dumps(facts, sort_keys=True).encode()
    for array in arrays:
        yield f"{array.dtype.str}{array.shape}".encode()
        yield np.ascontiguousarray(array).data


def _read(path: Path) -> tuple[Arrays, dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        bad = archive.testzip()
    if bad is not None:
        raise ValueError(f"wrong checksum of {bad}")
    with np.load(path, allow_pickle=False) as content:
        facts = json.loads(str(content[_FACTS]))
        names = sorted(name for name in content.files if name != _FACTS)
        arrays: Arrays = {name: [] for name in facts.pop("groups")}
        for name in names:
            arrays[name.partition("/")[0]].append(content[name])
    return arrays, facts
