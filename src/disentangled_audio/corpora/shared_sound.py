"""Find recordings that share sound: copies, changed copies, and overlapping cuts of a recording.

Landmarks (`signal.landmarks`) propose pairs of items and the shift between them, in time and memory
that grow with the number of items, not of pairs. `signal.agreement` then compares the waveforms.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from disentangled_audio.parameters import ParallelParameters
from disentangled_audio.signal.agreement import agreement
from disentangled_audio.signal.landmarks import HOP_S, NO_LANDMARK, landmarks
from disentangled_audio.storage.chunk_store import Progress, stored_arrays, stored_row, unseen
from disentangled_audio.storage.hashing import code_hash, short_hash
from disentangled_audio.storage.parallel import in_parallel

COLUMNS = ("recording_id", "other_id", "start_s", "other_start_s", "shared_s", "coherence")
# Bounds the memory of all landmarks and their votes, to about 1 GB.
_MOST_LANDMARKS = 2**23
# Bounds the time.
_MOST_COMPARED = 2**15
# Landmarks of an item; more find no more.
_MOST_OF_ITEM = 2048
# A landmark votes for so many other items with the same hash: enough to connect all copies of a
# sound, and a bound where thousands of items have the same landmark.
_NEIGHBOURS = 4
# Fewer landmarks with one shift are chance.
_FEWEST_VOTES = 2
_PAIRS_PER_CHUNK = 256


def shared_sound(
    waveforms: Any,
    recordings: pd.DataFrame,
    store: Path,
    parallel: ParallelParameters,
    progress: Progress = unseen,
) -> pd.DataFrame:
    """List pairs of items whose clips share sound.

    Parameters
    ----------
    waveforms : zarr.Array of `stored_arrays`
        (n_items, n_samples), with the attributes ``sample_rate_hz`` and ``corpus_hash``.
    recordings : DataFrame
        ``recording_id``, ``path``, ``sha256`` and ``duration_s``, in the order of the clips.
    store : Path
        Folder for landmarks, which a repeated run reads again; all workers must see it.
    parallel : ParallelParameters
    progress : callable
        Called with the number of items whose landmarks are known, and of all items.

    Returns
    -------
    DataFrame
        ``recording_id`` and ``other_id``; the seconds ``start_s`` and ``other_start_s`` of their
        clips after which they overlap; ``shared_s``, the length of the overlap; ``coherence``, 1
        for the same sound. Items of one file are not pairs. Of many copies of one sound, each is
        in a pair with some of the others.
    """
    rate_hz = int(waveforms.attrs["sample_rate_hz"])
    found = _stored_landmarks(waveforms, rate_hz, store, parallel, progress)
    paths = pd.factorize(recordings["path"])[0]
    pairs = _proposed(found["hashes"], found["frames"], paths)
    pairs[:, 2] *= round(HOP_S * rate_hz)
    chunks = [pairs[k : k + _PAIRS_PER_CHUNK] for k in range(0, len(pairs), _PAIRS_PER_CHUNK)]
    compared = list(in_parallel(_Comparison(waveforms, rate_hz), chunks, parallel))
    rows = np.concatenate([np.zeros((0, 4)), _same_bytes(recordings), *compared])
    return _table(rows, recordings, waveforms.shape[1] / rate_hz, rate_hz)


def sound_groups(recordings: pd.DataFrame, pairs: pd.DataFrame) -> NDArray[Any]:
    """Name the group of recordings that share sound, directly or over others, by its first path.

    Parameters
    ----------
    recordings : DataFrame of n_items rows
    pairs : DataFrame
        From `shared_sound`.

    Returns
    -------
    (n_items,)
        A recording's own path if it shares sound with no other.
    """
    codes, paths = pd.factorize(recordings["path"])
    of_item = pd.Series(codes, index=recordings["recording_id"])
    ends = [of_item.loc[pairs[name]].to_numpy() for name in ("recording_id", "other_id")]
    links = coo_array((np.ones(len(pairs)), ends), shape=(len(paths), len(paths)))
    group = connected_components(links, directed=False)[1]
    first = pd.Series(paths).groupby(group).transform("first").to_numpy()
    return first[codes]


def _stored_landmarks(
    waveforms: Any, rate_hz: int, store: Path, parallel: ParallelParameters, progress: Progress
) -> dict[str, Any]:
    n_items = waveforms.shape[0]
    n_kept = min(_MOST_OF_ITEM, max(1, _MOST_LANDMARKS // n_items))
    key = [code_hash("shared_sound"), waveforms.attrs["corpus_hash"], waveforms.shape, n_kept]
    return stored_arrays(
        store / f"landmarks-{short_hash(key)}",
        n_items,
        waveforms.chunks[0],
        partial(_landmarks_of, waveforms, rate_hz, n_kept),
        parallel,
        progress,
    )


def _landmarks_of(
    waveforms: Any, rate_hz: int, n_kept: int, rows: slice
) -> dict[str, NDArray[Any]]:
    hashes, frames = landmarks(waveforms[rows], rate_hz, n_kept)
    return {"hashes": hashes, "frames": frames}


def _proposed(hashes: Any, frames: Any, paths: NDArray[np.intp]) -> NDArray[np.int64]:
    """Pairs of items that have landmarks in common, and frames between their starts (n_pairs, 3).

    The pairs with most votes come first.
    """
    n_items = hashes.shape[0]
    # What a hash of 32 bits leaves: years of sound for a few items, a minute for a million.
    n_bits = 32 - max(1, n_items - 1).bit_length()
    keys = _sorted_keys(hashes, frames, n_bits)
    span = np.int64(2**n_bits)
    votes = []
    for step in range(1, min(_NEIGHBOURS + 1, len(keys))):
        same = np.flatnonzero((keys[step:] ^ keys[:-step]) >> np.uint64(32) == 0)
        ends = [(keys[same + k] & np.uint64(2**32 - 1)).astype(np.int64) for k in (0, step)]
        item, other = (end >> n_bits for end in ends)
        shift = (ends[0] & (span - 1)) - (ends[1] & (span - 1))
        differ = paths[item] != paths[other]
        votes.append((((item * n_items + other) * 2 + 1) * span + shift)[differ])
    if not votes:
        return np.zeros((0, 3), dtype=np.int64)
    places, counts = np.unique(np.concatenate(votes), return_counts=True)
    counts = counts + _of_neighbours(places, counts)
    pair = places // (2 * span)
    order = np.lexsort((-counts, pair))
    # The best shift of each pair.
    best = order[np.append(True, np.diff(pair[order]) > 0)[: len(order)]]
    best = best[counts[best] >= _FEWEST_VOTES]
    best = best[np.argsort(-counts[best], kind="stable")][:_MOST_COMPARED]
    return np.stack(
        [pair[best] // n_items, pair[best] % n_items, places[best] % (2 * span) - span], axis=1
    )


def _sorted_keys(hashes: Any, frames: Any, n_bits: int) -> NDArray[np.uint64]:
    """Landmarks of all items in order of their hashes: hash, item and frame in one number."""
    keys = []
    for start in range(0, hashes.shape[0], hashes.chunks[0]):
        rows = slice(start, start + hashes.chunks[0])
        when = frames[rows]
        known = (when != NO_LANDMARK) & (when < 2**n_bits)
        item = start + np.nonzero(known)[0].astype(np.uint64)
        key = (hashes[rows][known].astype(np.uint64) << np.uint64(32)) | (item << np.uint64(n_bits))
        keys.append(key | when[known].astype(np.uint64))
    all_keys = np.concatenate(keys)
    all_keys.sort()
    return all_keys


def _of_neighbours(places: NDArray[np.int64], counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """Votes for shifts of one frame more and less; places are in ascending order."""
    beside = np.zeros_like(counts)
    next_to = np.flatnonzero(np.diff(places) == 1)
    beside[next_to] += counts[next_to + 1]
    beside[next_to + 1] += counts[next_to]
    return beside


@dataclass(frozen=True)
class _Comparison:
    """Compares the waveforms of pairs; it is pickled for the workers."""

    waveforms: Any
    rate_hz: int

    def __call__(self, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give item, other item, shift in samples and coherence of the pairs that agree."""
        rows = []
        for item, other, shift in pairs.tolist():
            clips = (stored_row(self.waveforms, row) for row in (item, other))
            found = agreement(*clips, shift, self.rate_hz)
            if found.is_same_sound:
                rows.append((item, other, found.shift, found.coherence))
        return np.array(rows, dtype=float).reshape(-1, 4)


def _same_bytes(recordings: pd.DataFrame) -> NDArray[np.float64]:
    """Pairs of files with the same bytes; tones and silence have no landmarks of their own."""
    files = recordings.reset_index(drop=True).drop_duplicates("path")
    before = files.index.to_series().groupby(files["sha256"]).shift()
    copies = before.dropna()
    still = np.zeros(len(copies))
    return np.stack([copies.to_numpy(), copies.index.to_numpy(), still, still + 1], axis=1)


def _table(
    rows: NDArray[np.float64], recordings: pd.DataFrame, clip_s: float, rate_hz: int
) -> pd.DataFrame:
    item, other = rows[:, 0].astype(int), rows[:, 1].astype(int)
    shift_s = rows[:, 2] / rate_hz
    names = recordings["recording_id"].to_numpy()
    length_s = np.minimum(recordings["duration_s"].to_numpy(), clip_s)
    starts_s = np.maximum(shift_s, 0), np.maximum(-shift_s, 0)
    values = (
        *(names[item], names[other], *starts_s),
        np.minimum(length_s[item] - starts_s[0], length_s[other] - starts_s[1]),
        rows[:, 3],
    )
    table = pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
    return table.drop_duplicates(["recording_id", "other_id"], ignore_index=True)
