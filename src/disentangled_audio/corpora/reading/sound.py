"""An opened recording, of which parts are read one by one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import soundfile
from numpy.typing import NDArray

from disentangled_audio.corpora.reading.audio import (
    header_warning,
    opened_in_place,
    samples_from,
)
from disentangled_audio.corpora.reading.content import Content
from disentangled_audio.corpora.reading.decode import (
    Decoded,
    check_samples,
    decode_content,
    same_rate,
)
from disentangled_audio.corpora.reading.parts import TOLERANCE_S, Part
from disentangled_audio.corpora.sources.folder import RejectedError
from disentangled_audio.parameters import AudioFormat, Format


@dataclass(frozen=True)
class Sound:
    """An opened recording.

    Attributes
    ----------
    whole : Decoded
        Facts about its files; has no samples if parts are read from the file.
    n_samples : int
        Length of the recording.
    samples : callable
        Gives the samples from one index to another, (n_samples, n_channels).
    min_duration_s : float
        Shorter parts are rejected.
    """

    whole: Decoded
    n_samples: int
    samples: Callable[[int, int], NDArray[np.float32]]
    min_duration_s: float

    @property
    def duration_s(self) -> float:
        """Duration of the recording."""
        return self.n_samples / self.whole.sample_rate_hz

    def decoded(self, part: Part) -> Decoded:
        """Read a part.

        Raises
        ------
        RejectedError
            If it reaches beyond the recording, or has no sound that can be used.
        """
        if part.is_whole and len(self.whole.samples):
            return self.whole
        if part.origin and part.end_s > self.duration_s + TOLERANCE_S:
            raise RejectedError(
                f"the label reaches beyond its recording: from {part.start_s:g} s to "
                f"{part.end_s:g} s, the recording lasts {self.duration_s:.4g} s",
                "correct the label",
            )
        rate_hz = self.whole.sample_rate_hz
        first = round(part.start_s * rate_hz)
        end = round(min(part.end_s, self.duration_s) * rate_hz)
        decoded = replace(self.whole, samples=self.samples(first, end))
        check_samples(decoded, self.min_duration_s)
        return decoded


@contextmanager
def opened_sound(
    content: Content, file_format: Format, min_duration_s: float, *, in_parts: bool
) -> Iterator[Sound]:
    """Open a recording whose bytes have been read.

    Parameters
    ----------
    in_parts : bool
        Whether parts of it will be read. Where the format allows it, only their samples are
        decoded then.

    Raises
    ------
    RejectedError
        As `decode_content` does.
    """
    if in_parts and isinstance(file_format, AudioFormat) and len(content.parts) == 1:
        with opened_in_place(content.parts[0]) as found:
            if found is not None:
                yield _in_place(*found, content, min_duration_s)
                return
    whole = decode_content(content, file_format, min_duration_s)
    yield Sound(
        whole, len(whole.samples), lambda first, end: whole.samples[first:end], min_duration_s
    )


def _in_place(
    file: soundfile.SoundFile, n_samples: int, content: Content, min_duration_s: float
) -> Sound:
    facts = Decoded(
        np.zeros((0, file.channels), np.float32),
        same_rate([file.samplerate]),
        content.n_bytes,
        content.sha256,
        content.file_sha256,
        header_warning(content.parts[0]),
    )
    return Sound(
        facts, n_samples, lambda first, end: samples_from(file, first, end - first), min_duration_s
    )
