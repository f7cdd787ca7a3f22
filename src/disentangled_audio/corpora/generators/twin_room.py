"""Rooms of the twin: positions of source and microphones, and the room response."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from disentangled_audio.corpora.generators.twin_table import NameGroup
from disentangled_audio.signal import room_sound

SAMPLE_RATE_HZ = 16_000

# Assumed: enough for the reflections up to the mixing time, after which the diffuse tail follows.
_MAX_IMAGE_ORDER = 3
# Assumed: the modes that are separate in the spectrum of a small room; the tail lies above them.
_N_MODES = 40
_WALL_MARGIN_M = 0.3  # assumed


@dataclass(frozen=True)
class Room:
    """Private properties of a physical room, shared by all its files."""

    wall_exponents: NDArray[np.float64]
    band_ratios: NDArray[np.float64]
    centre_offset_m: NDArray[np.float64]
    noise_slope_db: float
    noise_bumps_db: NDArray[np.float64]


def draw_room(group: NameGroup, seed: int) -> Room:
    """Draw a physical room's private properties, with the same distribution in every database."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{group.database}/{group.room}".encode())])
    # Every number below is assumed: they vary the rooms, and are the same for all databases.
    # Bass may decay slower or faster; treble decays faster: walls and air (ISO 9613-1) absorb it.
    anchors = [rng.uniform(0.8, 1.4), 1.0, 1.0, rng.uniform(0.5, 0.9)]
    ratios = np.interp(np.arange(7), [0, 2, 3, 6], anchors) * rng.normal(1, 0.04, 7)
    # 500 Hz and 1 kHz have the table's value, which is the mid-frequency reverberation time.
    ratios[2:4] = 1.0
    return Room(
        wall_exponents=rng.uniform(0.7, 1.3, 6),
        band_ratios=ratios,
        centre_offset_m=rng.uniform(-0.2, 0.2, 3),
        noise_slope_db=rng.uniform(3, 6),
        noise_bumps_db=rng.normal(0, 2.5, len(room_sound.OCTAVE_BANDS_HZ)),
    )


def place(
    group: NameGroup, room: Room, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place the source (3,) and the microphones (n_channels, 3), in metres from a corner.

    They lie on opposite sides of a point near the room's centre, at ear height, in a random
    direction that fits into the room.
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
        raise ValueError(f"{group.names}: no position of the source fits into the room")
    step = steps[fitting[0]]
    return middle + step, middle - step + _array_offsets_m(group.n_channels)


def _array_offsets_m(n_channels: int) -> NDArray[np.float64]:
    """Give the microphones (n_channels, 3) in metres from the array's centre.

    One microphone; a pair 17 cm apart (assumed for AIR's heads and handsets); a circle of 10 cm
    radius (documented for REVERB, assumed for RWCP); or RWCP's line of 14 microphones 2.83 cm
    apart next to its circle of 16. `twin_references.csv` has the sources.
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
def mixing_of(n_channels: int) -> NDArray[np.complex64]:
    """Give the matrix that mixes independent channels into a diffuse field at the array."""
    return room_sound.diffuse_mixing(_array_offsets_m(n_channels), SAMPLE_RATE_HZ)


def room_response(
    group: NameGroup,
    room: Room,
    source_m: NDArray[np.float64],
    microphones_m: NDArray[np.float64],
    n_samples: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Compute the response (n_channels, n_samples) from the moment the source sounds."""
    early = _early_response(group, room, source_m, microphones_m, n_samples)
    if group.rt60_s == 0:
        return early
    rt60_s = group.rt60_s * room.band_ratios
    volume_m3 = float(np.prod(group.dimensions_m))
    modes = room_sound.room_modes(group.dimensions_m, _N_MODES)
    late = room_sound.diffuse_tail(
        n_samples,
        rt60_s=rt60_s,
        volume_m3=volume_m3,
        sample_rate_hz=SAMPLE_RATE_HZ,
        mixing=mixing_of(group.n_channels),
        rng=rng,
        low_cut_hz=modes.frequency_hz[-1],
    )
    late += room_sound.modal_response(
        n_samples,
        modes=modes,
        dimensions_m=group.dimensions_m,
        source_m=source_m,
        microphones_m=microphones_m,
        rt60_s=rt60_s[0],
        sample_rate_hz=SAMPLE_RATE_HZ,
    )
    mixing = room_sound.mixing_time_s(volume_m3) * SAMPLE_RATE_HZ
    direct = group.source_distance_m / room_sound.SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ
    leaving, coming = room_sound.crossfade_gains(
        n_samples, round(direct + 0.5 * mixing), round(direct + 1.5 * mixing)
    )
    return early * leaving + late * coming


def _early_response(
    group: NameGroup,
    room: Room,
    source_m: NDArray[np.float64],
    microphones_m: NDArray[np.float64],
    n_samples: int,
) -> NDArray[np.float32]:
    """Compute direct sound and low-order image sources (n_channels, n_samples)."""
    import pyroomacoustics  # takes a second to import, and only the generator needs it

    order, absorption = 0, np.ones(6)
    if group.rt60_s > 0:
        order = _MAX_IMAGE_ORDER
        mean = room_sound.eyring_absorption(group.dimensions_m, group.rt60_s)
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
    # With more threads the order of summation, and so the last bit, would depend on the machine.
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
