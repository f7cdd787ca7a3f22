"""Formats whose headers count the samples, which libsndfile does not compare with the file.

References
----------
NIST, "SPHERE header structure"; Audio Visual Research, "AVR file format"; Psion, "WVE files".
"""

import re
import struct
from typing import BinaryIO

from disentangled_audio.corpora.reading.containers import UNKNOWN_SIZE

_HEAD_BYTES = 1024
_IN_NIST = re.compile(rb"sample_count -i (\d{1,18})\s")
# By the start of a file, where the number of samples per channel stands.
_POSITIONS = {b"2BIT": (26, ">I"), b"ALawSoundFile**\0": (18, ">I")}


def n_samples_announced(file: BinaryIO) -> int:
    """Number of samples per channel that a header counts; 0 if it does not, or for a stream."""
    file.seek(0)
    head = file.read(_HEAD_BYTES)
    n_samples = 0
    if head.startswith(b"NIST_1A") and (found := _IN_NIST.search(head)):
        n_samples = int(found.group(1))
    for start, (position, code) in _POSITIONS.items():
        if head.startswith(start) and len(head) > position + 4:
            (n_samples,) = struct.unpack_from(code, head, position)
    return n_samples if n_samples < UNKNOWN_SIZE else 0
