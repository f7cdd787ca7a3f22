"""A simulated twin of the real recordings in OpenSLR SLR28, for tests with a known answer.

The twin has the names, channel counts, lengths and file headers of SLR28's folder
`real_rirs_isotropic_noises`. Rooms are rectangular boxes: image sources up to a low order
give the direct sound and early reflections, a diffuse tail that decays by octave band
follows, and the lowest room modes carry the bass. `twin_groups.csv` has each room's size,
reverberation time, source distance and array; its column `basis` names for each fact a row of
`twin_references.csv`: a publication, a derivation, or `assumed`. The reverberation time is the
mid-frequency one, the mean of the octaves of 500 Hz and 1 kHz (ISO 3382-1), and that of an
acoustic state: RWCP's `e1a`, `e1b` and `e1c` are one room with three of them.

Nothing here says anything about accuracy on real recordings. The twin exists to test the
audit, because what gives the database away is known. It was planted, per database and on
purpose:

1. **Channel count, array and length**, hence byte size and duration: those of the real files.
   The mean over channels thins out the tail more, the more microphones there are, and clips
   of 0.5 s have zeros at the end where the file is shorter (RWCP's `ane` and `e1a`).
2. **File header**: extensible (80 bytes) with more than two channels, else plain (44 bytes).
3. **First arrival**: RWCP and AIR are trimmed, so that the direct sound comes 93 samples
   (standard deviation 3) after the start. RVB2014 keeps the time of flight and adds a system
   delay: 717 samples (standard deviation 1) in three rooms, 2116 (51) in the other six.
4. **Colouration**: low cut, high cut and two mild resonances per database, one of the
   loudspeaker and one of the recorder. Each file's values scatter around its database's, so
   that the databases overlap. Noises pass the recorder only.
5. **Noise floor** before the direct sound and under the tail: RVB2014 -78 dB, RWCP -75 dB,
   AIR -88 dB relative to the peak, with a standard deviation of 4.5 dB over files. Below it
   lies the noise of the 16 bits: triangular dither, 0.5 steps (-96 dB for a full-scale peak).
6. **Level**: RVB2014, AIR and RWCP's one-channel responses peak at full scale, RWCP's arrays
   at -9 dB with a standard deviation of 3 dB.
7. **Kind**: 90 of the 92 noises are RVB2014.

Each number of this chain says where it is from: "derived" means measured in the real files of
SLR28 in `slr28_real` (36 RVB2014, 2 RWCP, 1 AIR), "assumed" that no source was found.

The level of the noises has the same distribution everywhere. Room facts (reverberation time,
volume, source distance) differ between databases because the real rooms do; they follow from
`twin_groups.csv` and are no chain. Neither are the room's private properties (bass and treble
reverberation time, wall absorption, noise spectrum), which are drawn for each physical room
from the same distribution in every database.

Known differences from the real recordings: loudspeaker and microphones are omnidirectional
(heads and handsets too), so that the direct sound is some 4 dB weaker against the tail;
coupled rooms, scattering objects and the second slope of long decays are missing. The real
floor is stronger below 200 Hz, where the twin's is white; RWCP's dummy head (type 4) has a
constant offset of 125 steps and no high cut; AIR's stairway rings before the direct sound,
after resampling, and at its end, where the deconvolution wraps round.
"""

from __future__ import annotations

import csv
import re
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import soundfile
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.signal import synthesis
from disentangled_audio.storage.disk_space import complete_folder, require_free

SAMPLE_RATE_HZ = 16_000

# Assumed: enough for the reflections up to the mixing time, from which the diffuse tail takes over.
_MAX_IMAGE_ORDER = 3
# Assumed: as many as lie apart in the spectrum of a small room; the tail begins above the last.
_N_MODES = 40
_WALL_MARGIN_M = 0.3  # assumed
_FIELD = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)(?:\.\.(\d+))?")


@dataclass(frozen=True)
class NameGroup:
    """Files that share a room, a shape and a source distance: one row of `twin_groups.csv`.

    Attributes
    ----------
    database, kind, room
        As in the file names; `kind` is `rir` or `noise`, `room` is the physical room.
    names
        Pattern for `expand_names`.
    n_channels, n_frames
        Shape of each file at 16 kHz.
    dimensions_m
        Length, width and height of the room in metres.
    rt60_s
        Mid-frequency reverberation time in seconds; 0 without reflections.
    source_distance_m
        Distance from the source to the centre of the microphones; None for noises.
    basis
        For each fact, the key of a row of `twin_references.csv`.
    """

    database: str
    kind: str
    room: str
    names: str
    n_channels: int
    n_frames: int
    dimensions_m: tuple[float, float, float]
    rt60_s: float
    source_distance_m: float | None
    basis: dict[str, str]


@dataclass(frozen=True)
class Chain:
    """What a database's equipment does to a recording, before each file's own scatter.

    Attributes
    ----------
    low_cut_hz, high_cut_hz
        -3 dB frequencies.
    speaker_hz, speaker_db, recorder_hz, recorder_db
        Centre and gain of the loudspeaker's and the recorder's resonance.
    floor_db
        RMS of the recorder's noise below the response's peak.
    peak_db, peak_scatter_db
        Peak of a microphone array's or a pair's response in dB full scale, and its standard
        deviation over files.
    trimmed
        Whether the silence before the direct sound was cut off.
    """

    low_cut_hz: float
    high_cut_hz: float
    speaker_hz: float
    speaker_db: float
    recorder_hz: float
    recorder_db: float
    floor_db: float
    peak_db: float
    peak_scatter_db: float
    trimmed: bool


# Derived: the spectrum in octaves relative to 354 Hz to 2.8 kHz, the floor (RVB2014: 36 files of
# -86 to -67 dB, mean -78; RWCP: -74 and -76; AIR: -90) and the peak (RVB2014: 36 times full
# scale, AIR once, RWCP's array -8.9). Cuts and resonances are such a spectrum's shape, which is
# that of loudspeaker, room and microphone together. Assumed: which of the two resonances is
# the loudspeaker's; RWCP's scatter of the peak; AIR's resonances beyond the one file.
CHAINS = {
    "RVB2014": Chain(90, 7900, 1000, 2.0, 6000, 5.0, -78, 0.0, 0.0, trimmed=False),
    "RWCP": Chain(85, 6000, 2000, -3.0, 200, 3.0, -75, -9.0, 3.0, trimmed=True),
    "air": Chain(70, 7900, 1000, -3.0, 2500, 2.0, -88, 0.0, 0.0, trimmed=True),
}
# Standard deviations over the files of a database. The floor's is derived (RVB2014), the
# others are assumed, so wide that the databases overlap.
_FLOOR_SCATTER_DB = 4.5
_LOW_CUT_SCATTER_OCTAVES = 0.3
_HIGH_CUT_SCATTER_OCTAVES = 0.075
_RESONANCE_SCATTER_OCTAVES = 0.15
_RESONANCE_SCATTER_DB = 2.0
_RESONANCE_QUALITY = 1.0  # assumed
# The scatter must not carry a resonance to half the sampling rate, where it would not be stable.
_MAX_RESONANCE_HZ = 7500.0
# Derived: 91 to 97 samples in the three files of RWCP and AIR.
_TRIMMED_ARRIVAL = 93
_TRIMMED_ARRIVAL_SCATTER = 3
# Derived: first arrivals less the time of flight, mean and standard deviation over the 12 files
# of these rooms and the 24 of the other six.
_SHORT_DELAY_ROOMS = {"smallroom2", "largeroom2", "simroom2"}
_SHORT_DELAY = (717, 1)
_LONG_DELAY = (2116, 51)
# Assumed: there is no real noise in `slr28_real`.
_NOISE_LEVEL_DB = -32.0
_NOISE_LEVEL_SCATTER_DB = 4.0


@dataclass(frozen=True)
class _Room:
    """What all files of a physical room share."""

    wall_exponents: NDArray[np.float64]
    band_ratios: NDArray[np.float64]
    centre_offset_m: NDArray[np.float64]
    noise_slope_db: float
    noise_bumps_db: NDArray[np.float64]


def expand_names(pattern: str) -> list[str]:
    """All names of a pattern, the last field varying fastest.

    A field in braces lists what may stand in its place, separated by commas: text, or a range
    `first..last` or `first..last..step` of whole numbers. A range is padded with zeros to the
    width of its first number if that begins with a zero. Fields cannot be nested.

    Parameters
    ----------
    pattern
        For example `imp{000..350..10}{l,r}.wav`.

    Returns
    -------
    list of str
        Every combination.

    Raises
    ------
    ValueError
        If braces do not match, or a field or range is empty.

    Examples
    --------
    >>> expand_names("imp{090..110..10}{l,r}")
    ['imp090l', 'imp090r', 'imp100l', 'imp100r', 'imp110l', 'imp110r']
    """
    parts = _FIELD.split(pattern)
    if any(brace in text for text in parts[::2] for brace in "{}"):
        raise ValueError(f"braces do not match in {pattern!r}")
    names = [parts[0]]
    for field, text in zip(parts[1::2], parts[2::2], strict=True):
        items = [item for part in field.split(",") for item in _expand_item(part, pattern)]
        names = [name + item + text for name in names for item in items]
    return names


def _expand_item(item: str, pattern: str) -> list[str]:
    if not item:
        raise ValueError(f"an empty item in {pattern!r}")
    if ".." not in item:
        return [item]
    match = _RANGE.fullmatch(item)
    if match is None:
        raise ValueError(f"{item!r} in {pattern!r} is not a range such as 0..90..10")
    first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
    if step == 0 or last < first:
        raise ValueError(f"the range {item!r} in {pattern!r} has no numbers")
    width = len(match[1]) if match[1].startswith("0") else 0
    return [f"{number:0{width}d}" for number in range(first, last + 1, step)]


def read_groups() -> list[NameGroup]:
    """Read the rows of `twin_groups.csv`."""
    table = files(__package__).joinpath("twin_groups.csv").read_text(encoding="utf-8")
    return [_parse_group(row) for row in csv.DictReader(table.splitlines())]


def read_references() -> dict[str, dict[str, str]]:
    """Read `twin_references.csv`: how each fact of `twin_groups.csv` is known.

    Returns
    -------
    dict
        Key to a row with `kind` (`cited`, `derived` or `assumed`) and `reference`.
    """
    table = files(__package__).joinpath("twin_references.csv").read_text(encoding="utf-8")
    return {row.pop("key"): row for row in csv.DictReader(table.splitlines())}


def _parse_group(row: dict[str, str]) -> NameGroup:
    distance = row["source_distance_m"]
    return NameGroup(
        database=row["database"],
        kind=row["kind"],
        room=row["room"],
        names=row["names"],
        n_channels=int(row["n_channels"]),
        n_frames=int(row["n_frames"]),
        dimensions_m=(float(row["length_m"]), float(row["width_m"]), float(row["height_m"])),
        rt60_s=float(row["rt60_s"]),
        source_distance_m=float(distance) if distance else None,
        basis=dict(fact.split("=") for fact in row["basis"].split()),
    )


def twin_files(files_per_group: int | None = None) -> dict[str, NameGroup]:
    """Name and group of every file of the twin.

    Parameters
    ----------
    files_per_group
        Keep only the first so many names of each database, kind and room; all if None.

    Returns
    -------
    dict
        File names in the order of the table.

    Raises
    ------
    ValueError
        If `files_per_group` is below 1.
    """
    if files_per_group is not None and files_per_group < 1:
        raise ValueError(f"files_per_group must be at least 1, not {files_per_group}")
    kept: dict[str, NameGroup] = {}
    counts: Counter[tuple[str, str, str]] = Counter()
    for group in read_groups():
        key = (group.database, group.kind, group.room)
        for name in expand_names(group.names):
            counts[key] += 1
            if files_per_group is None or counts[key] <= files_per_group:
                kept[name] = group
    return kept


def generate_twin(
    folder: Path,
    *,
    seed: int,
    files_per_group: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    n_jobs: int = 2,
) -> None:
    """Write the simulated twin as 16 kHz, 16-bit wav files.

    The files are made in a temporary folder beside the final one and moved at the end, so
    that an interrupted run leaves no half-filled folder. Every file depends only on the seed
    and its name, not on the order, on `files_per_group` or on `n_jobs`.

    Parameters
    ----------
    folder
        Where the files go; must not exist, or be empty.
    seed
        Not negative; another seed gives another twin.
    files_per_group
        Keep only the first so many files of each database, kind and room.
    progress
        Called with the files written so far and their total number.
    n_jobs
        Threads; the transforms and random numbers run without Python's lock.

    Raises
    ------
    FileExistsError
        If the folder exists and has something in it.
    ValueError
        If the seed is negative or `files_per_group` is below 1.
    """
    if seed < 0:
        raise ValueError(f"seed must not be negative, but is {seed}")
    tasks = twin_files(files_per_group)
    n_bytes = sum(2 * group.n_channels * group.n_frames for group in tasks.values())
    with complete_folder(folder) as unfinished:
        require_free(unfinished, n_bytes, "the simulated twin")
        done = Parallel(n_jobs=n_jobs, backend="threading", return_as="generator_unordered")(
            delayed(_write_file)(unfinished / name, group, seed) for name, group in tasks.items()
        )
        # Closing stops the threads before the folder goes, also after an exception.
        with closing(done):
            for count, _ in enumerate(done, start=1):
                if progress is not None:
                    progress(count, len(tasks))


def _write_file(path: Path, group: NameGroup, seed: int) -> None:
    samples = synthesise_file(path.name, group, seed)
    # SLR28's own files carry the extensible header when they have more than two channels.
    container = "WAVEX" if group.n_channels > 2 else "WAV"
    soundfile.write(path, samples.T, SAMPLE_RATE_HZ, subtype="PCM_16", format=container)


def synthesise_file(name: str, group: NameGroup, seed: int) -> NDArray[np.int16]:
    """One file of the twin.

    Parameters
    ----------
    name
        File name, part of the random seed.
    group
        The group that the name belongs to.
    seed
        Not negative.

    Returns
    -------
    (n_channels, n_frames)
        16-bit samples.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    room = _draw_room(group, seed)
    if group.kind == "noise":
        signal = _synthesise_noise(group, room, rng)
    else:
        signal = _synthesise_rir(group, room, rng)
    return synthesis.quantise_16_bit(signal, rng)


def _draw_room(group: NameGroup, seed: int) -> _Room:
    """A physical room's private properties, from the same distribution in every database."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{group.database}/{group.room}".encode())])
    # Assumed, every number below: they spread rooms, and are the same for all databases.
    # Bass lingers or not, treble always dies earlier: walls and air (ISO 9613-1) absorb it.
    anchors = [rng.uniform(0.8, 1.4), 1.0, 1.0, rng.uniform(0.5, 0.9)]
    ratios = np.interp(np.arange(7), [0, 2, 3, 6], anchors) * rng.normal(1, 0.04, 7)
    # 500 Hz and 1 kHz have the table's value: it is the mid-frequency reverberation time.
    ratios[2:4] = 1.0
    return _Room(
        wall_exponents=rng.uniform(0.7, 1.3, 6),
        band_ratios=ratios,
        centre_offset_m=rng.uniform(-0.2, 0.2, 3),
        noise_slope_db=rng.uniform(3, 6),
        noise_bumps_db=rng.normal(0, 2.5, len(synthesis.OCTAVE_BANDS_HZ)),
    )


def _synthesise_noise(
    group: NameGroup, room: _Room, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Stationary isotropic noise with the room's spectrum, seen by the recorder."""
    n_fft = fft.next_fast_len(group.n_frames, real=True)
    frequency_hz = fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ)
    _, recorder = _draw_chain(CHAINS[group.database], rng)
    octave = np.log2(np.maximum(frequency_hz, 1.0))
    bumps_db = np.interp(octave, np.log2(synthesis.OCTAVE_BANDS_HZ), room.noise_bumps_db)
    weights = synthesis.pink_weights(frequency_hz, room.noise_slope_db + rng.normal(0, 0.3))
    weights *= 10 ** (bumps_db / 20)
    weights *= synthesis.section_gains(frequency_hz, recorder, SAMPLE_RATE_HZ)
    spectrum = synthesis.diffuse_spectrum(n_fft, _mixing(group.n_channels), rng)
    spectrum *= weights
    noise = fft.irfft(spectrum, n_fft)[:, : group.n_frames]
    level_db = rng.normal(_NOISE_LEVEL_DB, _NOISE_LEVEL_SCATTER_DB)
    noise *= np.float32(10 ** (level_db / 20) / np.sqrt(np.mean(np.square(noise))))
    return noise * np.float32(min(1.0, synthesis.MAX_AMPLITUDE / np.max(np.abs(noise))))


def _synthesise_rir(group: NameGroup, room: _Room, rng: np.random.Generator) -> NDArray[np.float32]:
    """Room response, then loudspeaker and recorder, noise floor and level."""
    source_m, microphones_m = _place(group, room, rng)
    flight = group.source_distance_m / synthesis.SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ
    chain = CHAINS[group.database]
    delay = _draw_delay(group, flight, rng)
    # Sounding starts `delay` samples into the file, before it if the file was trimmed.
    response = _room_response(group, room, source_m, microphones_m, group.n_frames - delay, rng)
    shifted = np.zeros((group.n_channels, group.n_frames), dtype=np.float32)
    shifted[:, max(delay, 0) :] = response[:, max(-delay, 0) :]
    speaker, recorder = _draw_chain(chain, rng)
    signal = synthesis.filter_sections(shifted, np.concatenate([speaker, recorder]))
    signal /= np.max(np.abs(signal))
    floor = 10 ** (rng.normal(chain.floor_db, _FLOOR_SCATTER_DB) / 20)
    signal += np.float32(floor) * rng.standard_normal(signal.shape, dtype=np.float32)
    peak = 10 ** (_draw_peak_db(group, rng) / 20)
    return signal * np.float32(min(peak, synthesis.MAX_AMPLITUDE) / np.max(np.abs(signal)))


def _draw_peak_db(group: NameGroup, rng: np.random.Generator) -> float:
    # Derived: RWCP's one-channel response peaks at full scale, its array does not.
    if group.n_channels == 1:
        return 0.0
    chain = CHAINS[group.database]
    return rng.normal(chain.peak_db, chain.peak_scatter_db)


def _draw_delay(group: NameGroup, flight: float, rng: np.random.Generator) -> int:
    """Samples from the file's start to the moment the source sounds."""
    if CHAINS[group.database].trimmed:
        return round(rng.normal(_TRIMMED_ARRIVAL, _TRIMMED_ARRIVAL_SCATTER) - flight)
    return round(rng.normal(*(_SHORT_DELAY if group.room in _SHORT_DELAY_ROOMS else _LONG_DELAY)))


def _draw_chain(
    chain: Chain, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Second-order sections of the loudspeaker and of the recorder, with the file's scatter."""
    low_hz = chain.low_cut_hz * 2 ** rng.normal(0, _LOW_CUT_SCATTER_OCTAVES)
    high_hz = chain.high_cut_hz * 2 ** rng.normal(0, _HIGH_CUT_SCATTER_OCTAVES)
    centre_hz = np.array([chain.speaker_hz, chain.recorder_hz], dtype=float)
    centre_hz *= 2 ** rng.normal(0, _RESONANCE_SCATTER_OCTAVES, 2)
    centre_hz = np.minimum(centre_hz, _MAX_RESONANCE_HZ)
    gain_db = rng.normal([chain.speaker_db, chain.recorder_db], _RESONANCE_SCATTER_DB)
    limits = synthesis.band_limits(low_hz, min(high_hz, 7900.0), SAMPLE_RATE_HZ)
    resonances = [
        synthesis.peaking_section(centre, gain, _RESONANCE_QUALITY, SAMPLE_RATE_HZ)
        for centre, gain in zip(centre_hz, gain_db, strict=True)
    ]
    # The loudspeaker limits the bass, the recorder's filter the treble.
    return (
        np.concatenate([limits[:1], resonances[0]]),
        np.concatenate([limits[1:], resonances[1]]),
    )


def _place(
    group: NameGroup, room: _Room, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Source (3,) and microphones (n_channels, 3) in metres from the room's corner.

    They lie on either side of a point near the room's middle, at ear height, in a random
    direction among those that fit.
    """
    size = np.asarray(group.dimensions_m)
    middle = size / 2 + room.centre_offset_m * np.array([1, 1, 0])
    middle[2] = min(1.4, size[2] / 2)  # assumed: between seated and standing ears
    azimuth = rng.permutation(np.deg2rad(np.arange(0, 360, 5)))
    steps = np.stack([np.cos(azimuth), np.sin(azimuth), np.zeros(72)], axis=1)
    steps *= group.source_distance_m / 2
    reach = np.abs(steps)[:, :2]
    space = np.minimum(middle, size - middle)[:2] - _WALL_MARGIN_M
    fitting = np.flatnonzero((reach <= space).all(axis=1))
    if len(fitting) == 0:
        raise ValueError(f"{group.names}: the source does not fit into the room")
    step = steps[fitting[0]]
    return middle + step, middle - step + _array_offsets_m(group.n_channels)


def _array_offsets_m(n_channels: int) -> NDArray[np.float64]:
    """Microphones (n_channels, 3) in metres around the array's centre.

    A single one; a pair 17 cm apart, which is assumed for AIR's heads and handsets; a circle of
    10 cm radius, which is documented for REVERB and assumed for RWCP; or RWCP's line of 14
    microphones 2.83 cm apart beside its circle of 16. `twin_references.csv` says how each is
    known.
    """
    if n_channels == 1:
        return np.zeros((1, 3))
    if n_channels == 2:
        return np.array([[0.0, -0.085, 0.0], [0.0, 0.085, 0.0]])
    n_circle = 16 if n_channels == 30 else n_channels
    angle = 2 * np.pi * np.arange(n_circle) / n_circle
    circle = 0.1 * np.stack([np.cos(angle), np.sin(angle), np.zeros(n_circle)], axis=1)
    if n_channels != 30:
        return circle
    line = np.zeros((14, 3))
    line[:, 1] = 0.0283 * (np.arange(14) - 6.5)
    return np.concatenate([line, circle + [0, 0, 0.05]])


@lru_cache(maxsize=8)
def _mixing(n_channels: int) -> NDArray[np.complex64]:
    return synthesis.diffuse_mixing(_array_offsets_m(n_channels), SAMPLE_RATE_HZ)


def _room_response(
    group: NameGroup,
    room: _Room,
    source_m: NDArray[np.float64],
    microphones_m: NDArray[np.float64],
    n_samples: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Response (n_channels, n_samples) from the moment the source sounds."""
    early = _early_response(group, room, source_m, microphones_m, n_samples)
    if group.rt60_s == 0:
        return early
    rt60_s = group.rt60_s * room.band_ratios
    volume_m3 = float(np.prod(group.dimensions_m))
    modes = synthesis.room_modes(group.dimensions_m, _N_MODES)
    late = synthesis.diffuse_tail(
        n_samples,
        rt60_s=rt60_s,
        volume_m3=volume_m3,
        sample_rate_hz=SAMPLE_RATE_HZ,
        mixing=_mixing(group.n_channels),
        rng=rng,
        low_cut_hz=modes.frequency_hz[-1],
    )
    late += synthesis.modal_response(
        n_samples,
        modes=modes,
        dimensions_m=group.dimensions_m,
        source_m=source_m,
        microphones_m=microphones_m,
        rt60_s=rt60_s[0],
        sample_rate_hz=SAMPLE_RATE_HZ,
    )
    mixing = synthesis.mixing_time_s(volume_m3) * SAMPLE_RATE_HZ
    direct = group.source_distance_m / synthesis.SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ
    leaving, coming = synthesis.crossfade_gains(
        n_samples, round(direct + 0.5 * mixing), round(direct + 1.5 * mixing)
    )
    return early * leaving + late * coming


def _early_response(
    group: NameGroup,
    room: _Room,
    source_m: NDArray[np.float64],
    microphones_m: NDArray[np.float64],
    n_samples: int,
) -> NDArray[np.float32]:
    """Direct sound and low-order image sources (n_channels, n_samples), after Allen and Berkley."""
    import pyroomacoustics  # a second to import, and only the generator needs it

    order, absorption = 0, np.ones(6)
    if group.rt60_s > 0:
        order = _MAX_IMAGE_ORDER
        mean = synthesis.eyring_absorption(group.dimensions_m, group.rt60_s)
        absorption = 1 - (1 - mean) ** room.wall_exponents
    walls = ("west", "east", "south", "north", "floor", "ceiling")
    box = pyroomacoustics.ShoeBox(
        group.dimensions_m,
        fs=SAMPLE_RATE_HZ,
        materials={
            wall: pyroomacoustics.Material(float(value))
            for wall, value in zip(walls, absorption, strict=True)
        },
        max_order=order,
    )
    # One thread, or the order of summation, and with it the last bit, would depend on the machine.
    pyroomacoustics.constants.set("num_threads", 1)
    box.add_source(source_m)
    box.add_microphone_array(microphones_m.T)
    box.compute_rir()
    # pyroomacoustics delays everything by half its interpolation filter, and its point source
    # has the amplitude 1 / r; the diffuse tail and the modes have 1 / (4 pi r).
    lead = pyroomacoustics.constants.get("frac_delay_length") // 2
    response = np.zeros((group.n_channels, n_samples), dtype=np.float32)
    for row, channel in zip(response, box.rir, strict=True):
        samples = np.asarray(channel[0])[lead : lead + n_samples]
        row[: len(samples)] = samples / (4 * np.pi)
    return response
