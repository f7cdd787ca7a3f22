"""Checks of an array in zarr format before zarr opens it."""

import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from disentangled_audio.storage.limits import json_mappings, refused

METADATA = "zarr.json"
# The attributes of a view name a clip for each row: enough for ten million rows.
MAX_METADATA_BYTES = 2**27
MAX_DIMENSIONS = 8
# Chunks are about 4 MB; an array made in memory is one chunk.
MAX_CHUNK_BYTES = 2**31
# 60,000 clips are about a thousand chunks.
MAX_CHUNKS = 2**20
# zarr returns the fill value for missing chunks. The chunk store writes every chunk, so an array
# larger than this must have all of them.
MAX_UNWRITTEN_BYTES = 2**32
# A chunk file may be this much longer than its values: checksums, incompressible data.
_SLACK_BYTES = 2**16
ITEM_BYTES = {
    **{"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "float16": 2},
    **{"int32": 4, "uint32": 4, "float32": 4, "int64": 8, "uint64": 8, "float64": 8},
}
CODECS = {"bytes", "zstd", "sharding_indexed", "crc32c"}
KEYS = {
    *("zarr_format", "node_type", "shape", "data_type", "chunk_grid", "chunk_key_encoding"),
    *("fill_value", "codecs", "attributes", "storage_transformers", "dimension_names"),
}
_KEY_ENCODING = {"name": "default", "configuration": {"separator": "/"}}
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZSTD_HEADER_BYTES = 18


@dataclass(frozen=True)
class Claim:
    """The sizes and codecs that the metadata of an array claim."""

    n_bytes: int
    chunk_bytes: int
    n_chunks: int
    codecs: list[str]


def check_metadata(content: bytes, path: Any) -> Claim:
    """Refuse the content of a `zarr.json` unless it is a numeric array of plausible size.

    Raises
    ------
    UserError
        Names the array, `path`, and what is wrong with it.
    """
    if len(content) > MAX_METADATA_BYTES:
        raise refused(path, f"has more than {MAX_METADATA_BYTES:,} bytes of {METADATA}")
    try:
        facts = json.loads(content)
        for _ in json_mappings(facts, path):
            pass
        return _claim(facts, path)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        problem = f"has a {METADATA} that cannot be read ({type(error).__name__}: {error})"
        raise refused(path, problem) from error


def _claim(facts: Any, path: Any) -> Claim:
    if facts["zarr_format"] != 3 or facts["node_type"] != "array" or not set(facts) <= KEYS:
        raise refused(path, "is not a zarr array of format 3")
    if facts.get("storage_transformers") or facts["chunk_key_encoding"] != _KEY_ENCODING:
        raise refused(path, "has chunks that are not named like c/0/0")
    if facts["data_type"] not in ITEM_BYTES:
        raise refused(path, f"holds {facts['data_type']}, which is not numeric")
    item_bytes = ITEM_BYTES[facts["data_type"]]
    shape = _lengths(facts["shape"], 0, path)
    chunks = _lengths(facts["chunk_grid"]["configuration"]["chunk_shape"], 1, path)
    n_chunks = math.prod(-(-n // chunk) for n, chunk in zip(shape, chunks, strict=True))
    chunk_bytes = item_bytes * math.prod(chunks)
    if facts["chunk_grid"]["name"] != "regular" or n_chunks > MAX_CHUNKS:
        raise refused(path, f"has {n_chunks:,} chunks; {MAX_CHUNKS:,} are allowed")
    if chunk_bytes > MAX_CHUNK_BYTES:
        raise refused(path, f"has chunks of {chunk_bytes:,} bytes")
    codecs = list(_codecs(facts["codecs"], chunks, path))
    return Claim(item_bytes * math.prod(shape), chunk_bytes, n_chunks, codecs)


def _lengths(values: Any, lowest: int, path: Any) -> list[int]:
    if not all(type(value) is int and lowest <= value < 2**63 for value in values):
        raise refused(path, f"has the impossible shape {values}")
    if len(values) > MAX_DIMENSIONS:
        raise refused(path, f"has {len(values)} dimensions; {MAX_DIMENSIONS} are allowed")
    return list(values)


def _codecs(codecs: list[dict[str, Any]], outer: list[int], path: Any) -> Iterator[str]:
    """Yield the names of the codecs, including those inside shards."""
    for codec in codecs:
        name = codec["name"]
        if name not in CODECS:
            raise refused(
                path, f"names the codec {name!r}; allowed are {', '.join(sorted(CODECS))}"
            )
        yield name
        if name == "sharding_indexed":
            shard = codec["configuration"]
            inner = _lengths(shard["chunk_shape"], 1, path)
            n_inner = math.prod(n // chunk for n, chunk in zip(outer, inner, strict=True))
            if n_inner > MAX_CHUNKS:
                raise refused(path, f"has {n_inner:,} chunks in a shard")
            yield from _codecs([*shard["codecs"], *shard["index_codecs"]], inner, path)


def check_on_disk(path: Path) -> None:
    """Refuse an array whose metadata, chunks or links this project would not write.

    Raises
    ------
    UserError
        Names the array and what is wrong with it.
    """
    if not path.exists():
        # zarr reports the missing array.
        return
    file = path / METADATA
    if file.is_symlink() or not file.is_file():
        raise refused(path, f"has no {METADATA}")
    with file.open("rb") as opened:
        claim = check_metadata(opened.read(MAX_METADATA_BYTES + 1), path)
    n_files = 0
    for entry in _entries(path):
        _check_chunk(entry, claim, path)
        n_files += 1
    # One of the files is the metadata.
    if claim.n_bytes > MAX_UNWRITTEN_BYTES and n_files - 1 < claim.n_chunks:
        problem = f"claims {claim.n_bytes:,} bytes in {claim.n_chunks:,} chunks, but has"
        raise refused(path, f"{problem} {n_files - 1:,}")


def _entries(path: Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a folder except folders, without following links."""
    waiting = [str(path)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    yield entry


def _check_chunk(entry: os.DirEntry[str], claim: Claim, path: Path) -> None:
    found = entry.stat(follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        raise refused(path, f"has {entry.path}, which is a link or not a file")
    if entry.name == METADATA:
        return
    longest = claim.chunk_bytes + claim.chunk_bytes // 64 + _SLACK_BYTES
    if "sharding_indexed" in claim.codecs:
        # The index has two 8-byte numbers per chunk.
        longest += 16 * MAX_CHUNKS
    if found.st_size > longest:
        raise refused(path, f"has {entry.path} of {found.st_size:,} bytes")
    if claim.codecs[1:2] == ["zstd"]:
        with open(entry.path, "rb") as opened:
            unpacked = _unpacked_bytes(opened.read(_ZSTD_HEADER_BYTES))
        if unpacked != claim.chunk_bytes:
            raise refused(path, f"has {entry.path}, which does not unpack to one chunk")


def _unpacked_bytes(header: bytes) -> int | None:
    """Give the unpacked size that a zstd frame declares; None if it declares none.

    References
    ----------
    RFC 8878, 3.1.1.1 (frame header).
    """
    if len(header) < 6 or header[:4] != _ZSTD:
        return None
    descriptor = header[4]
    one_segment = descriptor >> 5 & 1
    n_size = (one_segment, 2, 4, 8)[descriptor >> 6]
    start = 5 + (not one_segment) + (0, 1, 2, 4)[descriptor & 3]
    if not n_size:
        return None
    size = int.from_bytes(header[start : start + n_size], "little")
    return size + 256 if n_size == 2 else size
