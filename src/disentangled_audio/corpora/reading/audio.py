"""Reads audio files of any format: by libsndfile, or by ffmpeg where it is installed."""

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

from disentangled_audio.corpora.reading import ffmpeg, mpeg, ogg
from disentangled_audio.corpora.reading.containers import (
    UNKNOWN_SIZE,
    Extent,
    extent,
    is_container,
    size_of_file,
)
from disentangled_audio.corpora.reading.content import InMemory, Part, View, opened
from disentangled_audio.corpora.reading.counted import n_samples_announced
from disentangled_audio.corpora.reading.joined import has_parts, parts_of
from disentangled_audio.corpora.sources.folder import (
    File,
    RejectedError,
    differing_parts,
    truncated,
)

Signal = tuple[NDArray[np.float32], int]

# Multichannel silence in flac has almost a thousand samples per byte; more is not plausible.
_MAX_SAMPLES_PER_BYTE = 2000
# libsndfile has a number of this kind for a length that is not known.
_UNKNOWN_LENGTH = 2**62
# Of 16 bits.
_SCALE = np.float32(2.0**-15)
# Values of all channels to decode at once.
_BLOCK_VALUES = 2**20
_BYTES_OF_SAMPLE = {
    **dict.fromkeys(("PCM_S8", "PCM_U8", "ULAW", "ALAW"), 1),
    **{"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8},
}


class _Sound(soundfile.SoundFile):
    """A sound that is read from its start to its end, so that no block needs a seek."""

    def seekable(self) -> bool:
        """Tell soundfile not to seek to where it is already, which not every decoder can do."""
        return False


class UndecodableError(RejectedError):
    """A file's content is of no format that libsndfile reads."""


@dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file says.

    Attributes
    ----------
    sample_rate_hz, n_channels, n_samples : int
    storage : str
        Names of the format and of the encoding.
    """

    sample_rate_hz: int
    n_channels: int
    n_samples: int
    storage: str

    @property
    def duration_s(self) -> float:
        """Duration as stored."""
        return self.n_samples / self.sample_rate_hz


def audio_info(file: File) -> AudioInfo:
    """Tell rate, channels and length of an audio file, without decoding it if that is possible.

    Raises
    ------
    RejectedError
        If it cannot be read, or samples are missing.
    """
    part = file.in_place()
    try:
        infos = _infos(part)
    except UndecodableError as error:
        with (
            ffmpeg.decoded(part, file.own_path, file.relative, error) as wav,
            opened(wav) as content,
        ):
            infos = [_info(sound, n_samples) for sound, n_samples in _sounds(content)]
    _check_same([(info.sample_rate_hz, info.n_channels) for info in infos])
    first = infos[0]
    n_samples = sum(info.n_samples for info in infos)
    return AudioInfo(first.sample_rate_hz, first.n_channels, n_samples, first.storage)


def _infos(part: Part) -> list[AudioInfo]:
    with opened(part) as file:
        return [_info(sound, n_samples) for sound, n_samples in _sounds(file)]


def _info(sound: soundfile.SoundFile, n_samples: int | None) -> AudioInfo:
    if n_samples is None:
        n_samples = len(_samples(sound, None))
    storage = f"{sound.format} {sound.subtype}"
    return AudioInfo(sound.samplerate, sound.channels, n_samples, storage)


def read_audio(part: Part, path: Path | None = None, name: str = "") -> Signal:
    """Decode an audio file.

    Parameters
    ----------
    part : bytes or LargeFile
    path : Path, optional
        Where ffmpeg can read it.
    name : str
        Its name, whose ending tells ffmpeg the format of unclear content.

    Returns
    -------
    samples : (n_samples, n_channels)
        float32; linear amplitude, integers scaled to between -1 and 1.
    sample_rate_hz : int

    Raises
    ------
    RejectedError
        If samples are missing, it is damaged, or of no format that can be read here.
    """
    try:
        return _read(part)
    except UndecodableError as error:
        with ffmpeg.decoded(part, path, name, error) as wav:
            return _read(wav)


@contextmanager
def opened_in_place(part: Part) -> Iterator[tuple[soundfile.SoundFile, int] | None]:
    """Open an audio file to read from any place with `samples_from`.

    Gives it with its number of samples; None if it must be decoded as a whole.

    Raises
    ------
    RejectedError
        If samples are missing.
    """
    with opened(part) as file:
        if len(_parts(file)) > 1:
            yield None
            return
        with closing(_sounds(file)) as sounds:
            try:
                sound, n_samples = next(sounds)
            except UndecodableError:
                yield None
                return
            yield (sound, n_samples) if n_samples and sound.subtype in _BYTES_OF_SAMPLE else None


def samples_from(sound: soundfile.SoundFile, first: int, n_samples: int) -> NDArray[np.float32]:
    """Decode samples from an index on, (n_samples, n_channels)."""
    sound.seek(first)
    return _samples(sound, n_samples)


def header_warning(part: Part) -> str:
    """Tell what is wrong with the header of an audio file that was read; empty if nothing is."""
    with opened(part) as file:
        if not is_container(file):
            return ""
        extents = [extent(joined) for joined in parts_of(file)]
    return next((found.warning for found in extents if found and found.warning), "")


def _read(part: Part) -> Signal:
    with opened(part) as file:
        signals = [
            (_samples(sound, n_samples), sound.samplerate) for sound, n_samples in _sounds(file)
        ]
    _check_same([(rate_hz, samples.shape[1]) for samples, rate_hz in signals])
    if len(signals) == 1:
        return signals[0]
    return np.concatenate([samples for samples, _ in signals]), signals[0][1]


def _check_same(kinds: list[tuple[int, int]]) -> None:
    if len(set(kinds)) > 1:
        raise differing_parts(sorted(set(kinds)))


def _sounds(file: BinaryIO) -> Iterator[tuple[soundfile.SoundFile, int | None]]:
    """Open each part of a file, with its number of samples; None if only decoding tells that."""
    for part, n_counted in _parts(file):
        # libsndfile and these share the file's position, so they come first.
        found, n_announced = extent(part), n_samples_announced(part)
        n_bytes = part.seek(0, io.SEEK_END)
        with _sound(part, found) as sound:
            if found is not None and found.n_missing:
                raise _missing(found, _BYTES_OF_SAMPLE.get(sound.subtype, 0) * sound.channels)
            if n_announced > sound.frames:
                raise _missing_samples(n_announced - sound.frames, n_announced)
            is_known = sound.frames < _UNKNOWN_LENGTH
            n_samples = (n_counted or sound.frames) if is_known else None
            _check_length(sound, n_samples or 0, n_bytes)
            yield sound, n_samples


def _parts(file: BinaryIO) -> list[tuple[BinaryIO, int | None]]:
    if has_parts(file):
        return [(part, None) for part in parts_of(file)]
    file.seek(0)
    content, n_samples = mpeg.frames_in_full(file.read())
    return [(InMemory(link), n_samples) for link in ogg.links(content)]


@contextmanager
def _sound(file: BinaryIO, found: Extent | None) -> Iterator[soundfile.SoundFile]:
    n_file = file.seek(0, io.SEEK_END)
    if found is not None and (found.patches or found.end < n_file):
        file = View(file, 0, found.end, found.patches)
    file.seek(0)
    try:
        sound = _Sound(file)
    except soundfile.LibsndfileError as error:
        raise _not_opened(file, found, n_file, error.error_string) from error
    with sound:
        yield sound


def _not_opened(file: BinaryIO, found: Extent | None, n_file: int, reason: str) -> RejectedError:
    if found is not None and found.n_missing:
        return _missing(found, 0)
    n_outer = size_of_file(file)
    # Cut before its samples begin.
    if found is None and n_outer is not None and n_file < n_outer < UNKNOWN_SIZE:
        return truncated(f": {n_outer - n_file} of {n_outer} bytes are missing")
    return UndecodableError(f"not audio that can be decoded: {reason}", "convert it to wav or flac")


def _missing(found: Extent, bytes_per_sample: int) -> RejectedError:
    """Tell how much is missing, in samples if each of them has the same size."""
    if not bytes_per_sample:
        n_all = found.n_bytes + found.n_missing
        return truncated(f": {found.n_missing} of {n_all} bytes of samples are missing")
    n_all = (found.n_bytes + found.n_missing) // bytes_per_sample
    return _missing_samples(n_all - found.n_bytes // bytes_per_sample, n_all)


def _missing_samples(n_missing: int, n_all: int) -> RejectedError:
    return truncated(f": {n_missing} of {n_all} samples are missing")


def _damaged(n_read: int, n_samples: int | None, reason: str) -> RejectedError:
    if n_samples is None:
        return truncated(f" or damaged: {reason}")
    return truncated(f" or damaged: {n_samples - n_read} of {n_samples} samples are missing")


def _check_length(file: soundfile.SoundFile, n_samples: int, n_bytes: int) -> None:
    # Memory for the length in the header is allocated before anything is decoded.
    if n_samples * file.channels > _MAX_SAMPLES_PER_BYTE * n_bytes:
        raise RejectedError(
            f"its header has a wrong length: {n_samples} samples in {n_bytes} bytes",
            "convert it to wav",
        )


def _samples(sound: soundfile.SoundFile, n_samples: int | None) -> NDArray[np.float32]:
    """Decode a sound, of unknown length if `n_samples` is None, by blocks."""
    # libsndfile's own conversion from 16 bits is slower, with the same result.
    is_short = sound.subtype == "PCM_16"
    dtype = "int16" if is_short else "float32"
    # By channel, because one of them is analysed, and else would have to be copied.
    order: Literal["C", "F"] = "C" if n_samples is None else "F"
    samples = np.empty((n_samples or 0, sound.channels), np.float32, order)
    n_read = 0
    for block in _blocks(sound, n_samples, dtype):
        end = n_read + len(block)
        if n_samples is None:
            # Enlarged in place: joining blocks would need the memory twice.
            samples.resize((end, sound.channels), refcheck=False)
        # Not for floats: a product of a file's NaN would warn.
        samples[n_read:end] = block * _SCALE if is_short else block
        n_read = end
    if n_samples is not None and n_read < n_samples:
        raise _missing_samples(n_samples - n_read, n_samples)
    return samples


def _blocks(
    sound: soundfile.SoundFile, n_samples: int | None, dtype: str
) -> Iterator[NDArray[np.int16 | np.float32]]:
    n_left = _UNKNOWN_LENGTH if n_samples is None else n_samples
    n_at_once = max(1, _BLOCK_VALUES // sound.channels)
    while n_left > 0:
        try:
            block = sound.read(min(n_left, n_at_once), dtype=dtype, always_2d=True)
        except soundfile.LibsndfileError as error:
            # A truncated flac has a good header and fails here.
            raise _damaged(sound.tell(), n_samples, error.error_string) from error
        if not len(block):
            return
        yield block
        n_left -= len(block)
