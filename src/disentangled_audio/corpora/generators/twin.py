"""A simulated twin of the real recordings in OpenSLR SLR28, for tests with a known answer.

The twin has the names, channel counts, lengths and file headers of SLR28's folder
`real_rirs_isotropic_noises`. Rooms are rectangular boxes: image sources up to a low order
give the direct sound and early reflections, a diffuse tail that decays by octave band
follows, and the lowest room modes carry the bass. `twin_groups.csv` has each room's size,
reverberation time, source distance and array; its column `basis` names for each fact a row of
`twin_references.csv`: a publication, a derivation, or `assumed`. The reverberation time is the
mid-frequency one, the mean of the octaves of 500 Hz and 1 kHz (ISO 3382-1), and that of an
acoustic state: RWCP's `e1a`, `e1b` and `e1c` are one room with three of them.

Results on the twin do not predict accuracy on real recordings. The twin exists to test the
audit, because its shortcuts to the database are known. They were planted on purpose:

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

Each number of this chain states its source: "derived" means measured in the real files of
SLR28 in `slr28_real` (36 RVB2014, 2 RWCP, 1 AIR), "assumed" that no source was found.

The level of the noises has the same distribution everywhere. Room facts (reverberation time,
volume, source distance) differ between databases because the real rooms do; they come from
`twin_groups.csv` and are not part of the chain. Neither are the room's private properties (bass
and treble reverberation time, wall absorption, noise spectrum), which are drawn for each physical
room from the same distribution in every database.

Known differences from the real recordings: loudspeaker and microphones are omnidirectional
(heads and handsets too), so that the direct sound is some 4 dB weaker against the tail;
coupled rooms, scattering objects and the second slope of long decays are missing. The real
floor is stronger below 200 Hz, where the twin's is white; RWCP's dummy head (type 4) has a
constant offset of 125 steps and no high cut; AIR's stairway rings before the direct sound,
after resampling, and at its end, where the deconvolution wraps round.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import fft

from disentangled_audio.corpora.generators.twin_room import (
    SAMPLE_RATE_HZ,
    Room,
    draw_room,
    mixing_of,
    place,
    room_response,
)
from disentangled_audio.corpora.generators.twin_table import NameGroup, twin_files
from disentangled_audio.signal import equipment, room_sound
from disentangled_audio.storage.disk_errors import require_free
from disentangled_audio.storage.temporaries import complete_folder


@dataclass(frozen=True)
class Chain:
    """Effect of a database's equipment on a recording, before the scatter of each file.

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


def generate_twin(
    folder: Path,
    *,
    seed: int,
    files_per_group: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the simulated twin as 16 kHz, 16-bit wav files.

    The folder appears complete or not at all. Every file depends only on the seed and its name.

    Parameters
    ----------
    folder
        Must not exist, or be empty.
    seed
        Not negative; another seed gives another twin.
    files_per_group
        Number of files to keep of each database, kind and room; all if None.
    progress
        Called with the number of files written so far and their total number.

    Raises
    ------
    FileExistsError
        If the folder exists and is not empty.
    """
    tasks = twin_files(files_per_group)
    n_bytes = sum(2 * group.n_channels * group.n_frames for group in tasks.values())
    with complete_folder(folder) as unfinished:
        require_free(unfinished, n_bytes, "the simulated twin")
        # Transforms and random numbers do not hold Python's global lock.
        done = Parallel(n_jobs=2, backend="threading", return_as="generator_unordered")(
            delayed(_write_file)(unfinished / name, group, seed) for name, group in tasks.items()
        )
        # Closing stops the threads before the folder is removed after an exception.
        with closing(done):
            for count, _ in enumerate(done, start=1):
                if progress is not None:
                    progress(count, len(tasks))


def _write_file(path: Path, group: NameGroup, seed: int) -> None:
    samples = synthesise_file(path.name, group, seed)
    # SLR28's files have the extensible header if they have more than two channels.
    container = "WAVEX" if group.n_channels > 2 else "WAV"
    soundfile.write(path, samples.T, SAMPLE_RATE_HZ, subtype="PCM_16", format=container)


def synthesise_file(name: str, group: NameGroup, seed: int) -> NDArray[np.int16]:
    """Synthesise one file of the twin, (n_channels, n_frames), from its name, group and seed."""
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    room = draw_room(group, seed)
    if group.kind == "noise":
        signal = _synthesise_noise(group, room, rng)
    else:
        signal = _synthesise_rir(group, room, rng)
    return equipment.quantise_16_bit(signal, rng)


def _synthesise_noise(
    group: NameGroup, room: Room, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Synthesise stationary isotropic noise with the room's spectrum, after the recorder."""
    n_fft = fft.next_fast_len(group.n_frames, real=True)
    frequency_hz = fft.rfftfreq(n_fft, 1 / SAMPLE_RATE_HZ)
    _, recorder = _draw_chain(CHAINS[group.database], rng)
    octave = np.log2(np.maximum(frequency_hz, 1.0))
    bumps_db = np.interp(octave, np.log2(room_sound.OCTAVE_BANDS_HZ), room.noise_bumps_db)
    weights = equipment.pink_weights(frequency_hz, room.noise_slope_db + rng.normal(0, 0.3))
    weights *= 10 ** (bumps_db / 20)
    weights *= equipment.section_gains(frequency_hz, recorder, SAMPLE_RATE_HZ)
    spectrum = room_sound.diffuse_spectrum(n_fft, mixing_of(group.n_channels), rng)
    spectrum *= weights
    noise = fft.irfft(spectrum, n_fft)[:, : group.n_frames]
    level_db = rng.normal(_NOISE_LEVEL_DB, _NOISE_LEVEL_SCATTER_DB)
    noise *= np.float32(10 ** (level_db / 20) / np.sqrt(np.mean(np.square(noise))))
    return noise * np.float32(min(1.0, equipment.MAX_AMPLITUDE / np.max(np.abs(noise))))


def _synthesise_rir(group: NameGroup, room: Room, rng: np.random.Generator) -> NDArray[np.float32]:
    """Synthesise a room response and apply loudspeaker, recorder, noise floor and level."""
    source_m, microphones_m = place(group, room, rng)
    flight = group.source_distance_m / room_sound.SPEED_OF_SOUND_M_S * SAMPLE_RATE_HZ
    chain = CHAINS[group.database]
    delay = _draw_delay(group, flight, rng)
    # The source sounds `delay` samples into the file; before it starts, if it was trimmed.
    response = room_response(group, room, source_m, microphones_m, group.n_frames - delay, rng)
    shifted = np.zeros((group.n_channels, group.n_frames), dtype=np.float32)
    shifted[:, max(delay, 0) :] = response[:, max(-delay, 0) :]
    speaker, recorder = _draw_chain(chain, rng)
    signal = equipment.filter_sections(shifted, np.concatenate([speaker, recorder]))
    signal /= np.max(np.abs(signal))
    floor = 10 ** (rng.normal(chain.floor_db, _FLOOR_SCATTER_DB) / 20)
    signal += np.float32(floor) * rng.standard_normal(signal.shape, dtype=np.float32)
    peak = 10 ** (_draw_peak_db(group, rng) / 20)
    return signal * np.float32(min(peak, equipment.MAX_AMPLITUDE) / np.max(np.abs(signal)))


def _draw_peak_db(group: NameGroup, rng: np.random.Generator) -> float:
    # Derived: RWCP's one-channel response peaks at full scale, its array does not.
    if group.n_channels == 1:
        return 0.0
    chain = CHAINS[group.database]
    return rng.normal(chain.peak_db, chain.peak_scatter_db)


def _draw_delay(group: NameGroup, flight: float, rng: np.random.Generator) -> int:
    """Draw the number of samples from the file's start to the moment the source sounds."""
    if CHAINS[group.database].trimmed:
        return round(rng.normal(_TRIMMED_ARRIVAL, _TRIMMED_ARRIVAL_SCATTER) - flight)
    return round(rng.normal(*(_SHORT_DELAY if group.room in _SHORT_DELAY_ROOMS else _LONG_DELAY)))


def _draw_chain(
    chain: Chain, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the second-order sections of a file's loudspeaker and recorder."""
    low_hz = chain.low_cut_hz * 2 ** rng.normal(0, _LOW_CUT_SCATTER_OCTAVES)
    high_hz = chain.high_cut_hz * 2 ** rng.normal(0, _HIGH_CUT_SCATTER_OCTAVES)
    centre_hz = np.array([chain.speaker_hz, chain.recorder_hz], dtype=float)
    centre_hz *= 2 ** rng.normal(0, _RESONANCE_SCATTER_OCTAVES, 2)
    centre_hz = np.minimum(centre_hz, _MAX_RESONANCE_HZ)
    gain_db = rng.normal([chain.speaker_db, chain.recorder_db], _RESONANCE_SCATTER_DB)
    limits = equipment.band_limits(low_hz, min(high_hz, 7900.0), SAMPLE_RATE_HZ)
    resonances = [
        equipment.peaking_section(centre, gain, _RESONANCE_QUALITY, SAMPLE_RATE_HZ)
        for centre, gain in zip(centre_hz, gain_db, strict=True)
    ]
    # The loudspeaker limits the bass, the recorder's filter the treble.
    return (
        np.concatenate([limits[:1], resonances[0]]),
        np.concatenate([limits[1:], resonances[1]]),
    )
