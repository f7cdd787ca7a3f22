"""Files that are damaged, have wrong headers, or merely look dangerous."""

import io
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE_HZ = 8000
N_SAMPLES = 1600
LOCKED, SHRINKS, CLOSED = "locked.wav", "shrinks.wav", "closed"

Make = Callable[[Path], object]


def sound(n_samples: int = N_SAMPLES, n_channels: int = 1) -> np.ndarray:
    """(n_samples, n_channels) uniform noise, the same every time."""
    return np.random.default_rng(n_channels).uniform(-0.9, 0.9, (n_samples, n_channels))


def wav(
    data: bytes | None = None,
    *,
    tag: int = 1,
    n_channels: int = 1,
    rate_hz: int = RATE_HZ,
    bits: int = 16,
    align: int | None = None,
    fmt_size: int = 16,
    data_size: int | None = None,
    riff_size: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A wav with the given header fields, which are correct by default."""
    data = pcm_16(sound()) if data is None else data
    align = n_channels * bits // 8 % 2**16 if align is None else align
    fmt = struct.pack("<HHIIHH", tag, n_channels, rate_hz, rate_hz * align % 2**32, align, bits)
    size = len(data) if data_size is None else data_size
    body = b"WAVE" + chunk(b"fmt ", fmt, fmt_size) + before + chunk(b"data", data, size) + after
    return struct.pack("<4sI", b"RIFF", len(body) if riff_size is None else riff_size) + body


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return struct.pack("<4sI", name, len(content) if size is None else size) + content


def pcm_16(samples: np.ndarray) -> bytes:
    return np.round(samples * 2**15).astype("<i2").tobytes()


def encoded(samples: np.ndarray | None = None, rate_hz: int = RATE_HZ, **how: str) -> bytes:
    """Bytes that libsndfile writes."""
    content = io.BytesIO()
    samples = sound() if samples is None else samples
    soundfile.write(content, samples, rate_hz, **{"format": "WAV", **how})
    return content.getvalue()


def _with_value(value: float, **how: str) -> bytes:
    samples = sound()
    samples[7] = value
    return encoded(samples, **how)


def _flac(n_frames: int) -> bytes:
    """A flac whose header claims another number of samples; 0 stands for a stream."""
    content = bytearray(encoded(format="FLAC"))
    content[21] = (content[21] & 0xF0) | (n_frames >> 32)
    content[22:26] = (n_frames & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(content)


def _rifx() -> bytes:
    return encoded(format="WAV", endian="BIG")


BYTES: dict[str, tuple[bytes, str]] = {
    "zero bytes.wav": (b"", "the file is empty"),
    "four bytes.wav": (b"RIFF", "not audio that can be decoded"),
    "twelve bytes.wav": (wav()[:12], "the file is truncated: 3232 of 3244 bytes are missing"),
    "header only.wav": (wav(b""), "too short: 0 s"),
    "header only of a longer file.wav": (
        wav()[:44],
        "the file is truncated: 1600 of 1600 samples are missing",
    ),
    "half.wav": (wav()[:1622], "the file is truncated: 811 of 1600 samples are missing"),
    "half.flac": (encoded(format="FLAC")[:1500], "the file is truncated or damaged"),
    "half of big endian.wav": (
        _rifx()[:1622],
        "the file is truncated: 811 of 1600 samples are missing",
    ),
    "data size too large.wav": (
        wav(data_size=5000),
        "the file is truncated: 900 of 2500 samples are missing",
    ),
    "fmt size huge.wav": (wav(fmt_size=2**31), "not audio that can be decoded"),
    "fmt size tiny.wav": (wav(fmt_size=4), "not audio that can be decoded"),
    "no fmt chunk.wav": (b"RIFF\x10\x00\x00\x00WAVEdata\x04\x00\x00\x00abcd", "not audio"),
    "no data chunk.wav": (wav()[:36], "the file is truncated: 3208 of 3244 bytes are missing"),
    "no channels.wav": (wav(n_channels=0, align=2), "not audio that can be decoded"),
    "65535 channels.wav": (wav(n_channels=65535, align=2), "not audio that can be decoded"),
    "0 bits.wav": (wav(bits=0, align=2), "not audio that can be decoded"),
    "unknown codec.wav": (wav(tag=0x1234), "not audio that can be decoded"),
    "0 Hz.wav": (wav(rate_hz=0), "not audio that can be decoded"),
    "1 Hz.wav": (wav(rate_hz=1), "its sampling rate is 1 Hz, which is not plausible"),
    "2 GHz.wav": (wav(rate_hz=2**31 - 1), "its sampling rate is 2147483647 Hz"),
    "text.wav": (b"this is a note\n" * 100, "not audio that can be decoded"),
    "page.wav": (b"<!DOCTYPE html><title>404</title>", "not audio that can be decoded"),
    "noise.wav": (np.random.default_rng(0).bytes(3000), "not audio that can be decoded"),
    "zip.wav": (b"PK\x05\x06" + bytes(18), "not audio that can be decoded"),
    "nan.wav": (_with_value(np.nan, subtype="FLOAT"), "holds NaN or infinity"),
    "plus infinity.wav": (_with_value(np.inf, subtype="FLOAT"), "holds NaN or infinity"),
    "minus infinity.wav": (_with_value(-np.inf, subtype="DOUBLE"), "holds NaN or infinity"),
    "beyond float32.wav": (_with_value(1e300, subtype="DOUBLE"), "holds NaN or infinity"),
    "silent.wav": (wav(bytes(3200)), "silent: every sample is zero"),
    "direct current.wav": (
        wav(b"\x00\x20" * N_SAMPLES),
        "holds no sound: each channel is",
    ),
    "too short.wav": (wav(pcm_16(sound(399))), "too short: 0.04988 s, the minimum is 0.05 s"),
    "begins late.wav": (wav(bytes(3200) + pcm_16(sound())), "silent in the first 0.1 s"),
    "promises 256 GB.flac": (_flac(2**36 - 1), "its header has a wrong length: 68719476735"),
}


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    # The name of a socket may have no more than a hundred characters, so not a whole path.
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(before)


def _link(target: str) -> Make:
    return lambda path: path.symlink_to(target)


def _sparse(n_bytes: int) -> Make:
    def make(path: Path) -> None:
        path.write_bytes(wav())
        os.truncate(path, n_bytes)

    return make


def _good(path: Path) -> None:
    path.write_bytes(wav())


def _folder_with_note(path: Path) -> None:
    path.mkdir()
    (path / "note.txt").write_text("nothing to hear", encoding="utf-8")


def _closed(path: Path) -> None:
    path.mkdir()
    _good(path / "unseen.wav")


ENTRIES: dict[str, tuple[Make, str]] = {
    "broken link.wav": (_link("nowhere.wav"), "is a link to nowhere.wav, which cannot be followed"),
    "broken link to a folder": (_link("/nowhere/at/all"), "is a link to /nowhere/at/all, which"),
    "link to what is not UTF-8.wav": (_link("caf\udce9s.wav"), "is a link to caf?s.wav, which"),
    "link to itself.wav": (_link("link to itself.wav"), "is a link to link to itself.wav, which"),
    "one of two.wav": (_link("other of two.wav"), "is a link to other of two.wav, which"),
    "other of two.wav": (_link("one of two.wav"), "is a link to one of two.wav, which"),
    "loop": (_link("."), "leads to "),
    "loop.wav": (_link(".."), "leads to "),
    "root": (_link("/"), "leads to /, which has been read or contains this folder"),
    "again": (_link("real.wav"), "leads to "),
    "pipe.wav": (_fifo, "is a pipe, not a file"),
    "link to a pipe.wav": (_link("pipe.wav"), "is a pipe, not a file"),
    "socket.wav": (_socket, "is a socket, not a file"),
    "device.wav": (_link("/dev/zero"), "is a device, not a file"),
    "folder.wav": (Path.mkdir, "is a folder, and no file below it matches"),
    "folder with a note.wav": (_folder_with_note, "is a folder, and no file below it matches"),
    "too large.wav": (_sparse(2**31 + 1), "too large: 2147483649 bytes, the maximum is 2147483648"),
    LOCKED: (_good, "cannot be read: Permission denied"),
    SHRINKS: (_good, "the file changed while it was read: 1622 of 3244 bytes"),
    CLOSED: (_closed, "cannot be read: Permission denied"),
}

NOT_UTF8 = b"caf\xe9.wav"


@dataclass(frozen=True)
class Fine:
    """A file that only looks dangerous.

    Attributes
    ----------
    content : bytes
    samples : (n_samples, n_channels)
        What is in it.
    rate_hz : int
    resolution : float
        How far its samples may be off.
    """

    content: bytes
    samples: np.ndarray
    rate_hz: int = RATE_HZ
    resolution: float = 2**-15


def _fine(subtype: str, resolution: float, n_channels: int = 1, rate_hz: int = RATE_HZ) -> Fine:
    samples = sound(rate_hz // 5, n_channels)
    return Fine(encoded(samples, rate_hz, subtype=subtype), samples, rate_hz, resolution)


def _clipped() -> Fine:
    samples = np.clip(3 * sound(), -1, 1 - 2**-15)
    return Fine(wav(pcm_16(samples)), samples)


def _twenty_minutes() -> Fine:
    bytes_of_noise = np.random.default_rng(0).integers(0, 256, 1000, dtype=np.uint8)
    data = np.tile(bytes_of_noise, 20 * 60 * RATE_HZ // 1000)
    samples = (data.astype(np.float32) - 128)[:, np.newaxis] / 128
    return Fine(wav(data.tobytes(), bits=8), samples)


FORMATS: dict[str, Fine] = {
    "8 bit.wav": _fine("PCM_U8", 2**-7),
    "16 bit.wav": _fine("PCM_16", 2**-15),
    "24 bit.wav": _fine("PCM_24", 2**-23),
    "32 bit.wav": _fine("PCM_32", 2**-24),
    "float32.wav": _fine("FLOAT", 2**-24),
    "float64.wav": _fine("DOUBLE", 2**-24),
    # Two of 256 steps, which are proportional to the value.
    "mu-law.wav": _fine("ULAW", 2**-5),
    "A-law.wav": _fine("ALAW", 2**-5),
    **{f"{n} channels.wav": _fine("PCM_16", 2**-15, n) for n in (2, 3, 5, 8, 16, 32)},
    **{
        f"{rate_hz} Hz.wav": _fine("PCM_24", 2**-23, rate_hz=rate_hz)
        for rate_hz in (11025, 16000, 22050, 44100, 48000, 96000, 192000)
    },
    "clipped.wav": _clipped(),
    "20 minutes.wav": _twenty_minutes(),
    "big endian.wav": Fine(_rifx(), sound()),
    "streamed.wav": Fine(wav(riff_size=2**32 - 1, data_size=2**32 - 1), sound()),
    "streamed by sox.wav": Fine(wav(riff_size=0x7FFFF024, data_size=0x7FFFF000), sound()),
    "align of 0.wav": Fine(wav(align=0), sound()),
    "chunk before.wav": Fine(wav(before=chunk(b"LIST", b"INFO" + bytes(100))), sound()),
    "chunk after.wav": Fine(wav(after=chunk(b"note", b"<b>x</b>")), sound()),
    "rubbish after.wav": Fine(wav(riff_size=3236, after=bytes(1001)), sound()),
    "streamed.flac": Fine(_flac(0), sound()),
    "riff size too large.wav": Fine(wav(riff_size=9999), sound()),
    "riff size too small.wav": Fine(wav(riff_size=40), sound()),
    "data size too small.wav": Fine(wav(data_size=1600), sound()[:800]),
}

NAMES = [
    "with space.wav",
    " leading space.wav",
    "'single'.wav",
    '"double".wav',
    "new\nline.wav",
    "carriage\rreturn.wav",
    "tab\tbed.wav",
    "\N{GUITAR}\N{EARTH GLOBE EUROPE-AFRICA}.wav",
    "<script>alert(1)<\N{FRACTION SLASH}script>.wav",
    "&amp;.wav",
    "=1+1,\N{RIGHT-TO-LEFT OVERRIDE}.wav",
    "-rf.wav",
    "back\\slash.wav",
    "%2e%2e%2f.wav",
    "$(HOME) `id`.wav",
    "[abc]*?.wav",
    "..wav",
    "x" * 250 + ".wav",
    "e\N{COMBINING ACUTE ACCENT}.wav",
]

GOOD = ["good 1.wav", "good 2.flac", "real.wav/inside.wav", "sub/deep/good 4.wav"]


def build_good(folder: Path) -> None:
    """Write recordings whose result must not depend on the other files."""
    for seed, name in enumerate(GOOD):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(seed).normal(0, 0.1, (700, 2))
        soundfile.write(path, samples, RATE_HZ)


def build_hostile(folder: Path) -> None:
    """Write all other files into the same folder."""
    for name, (content, _) in BYTES.items():
        (folder / name).write_bytes(content)
    for name, (make, _) in ENTRIES.items():
        make(folder / name)
    for name, fine in FORMATS.items():
        (folder / name).write_bytes(fine.content)
    for name in NAMES:
        _good(folder / name)
    with open(os.path.join(os.fsencode(folder), NOT_UTF8), "wb") as file:
        file.write(wav())
