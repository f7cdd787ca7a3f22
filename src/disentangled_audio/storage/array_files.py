"""Several arrays in one `.npz` file, whose bytes depend on nothing but the arrays."""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.storage.limits import check_npy, opened_zip, stored_members


def write_arrays(arrays: dict[str, NDArray[Any]]) -> bytes:
    """Give the bytes of an `.npz` file with these arrays."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue()


def read_arrays(content: bytes, path: Any) -> dict[str, NDArray[Any]]:
    """Read named arrays from the bytes of their file; messages name `path`.

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
            arrays[name.removesuffix(".npy")] = array
    return arrays
