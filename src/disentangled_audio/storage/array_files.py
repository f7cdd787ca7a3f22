"""Several arrays of numbers in one file (`.npz`), written the same for the same numbers."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.storage.limits import check_npy, opened_zip, stored_members

_SUFFIX = ".npy"


def write_arrays(arrays: dict[str, NDArray[Any]]) -> bytes:
    """The bytes of an `.npz` file."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read_arrays(content: bytes, path: Any) -> dict[str, NDArray[Any]]:
    """Arrays from the bytes of their file, by name.

    Parameters
    ----------
    content : bytes
        The whole file.
    path
        Where it lies, for messages.

    Raises
    ------
    UserError
        If the file holds anything but plain arrays of numbers, or claims to be larger than it is.
    """
    arrays = {}
    with opened_zip(io.BytesIO(content), path) as archive:
        for name in stored_members(archive, len(content), path):
            member = archive.read(name)
            check_npy(member, path, name)
            array = np.lib.format.read_array(io.BytesIO(member), allow_pickle=False)
            arrays[name.removesuffix(_SUFFIX)] = array
    return arrays
