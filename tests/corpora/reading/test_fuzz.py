"""Random names and headers: 4,000 of each, other ones each time; more with `make fuzz`."""

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.generators import twin_table
from disentangled_audio.corpora.reading.decode import decode, read_samples
from disentangled_audio.corpora.reading.items import channels, to_clip
from disentangled_audio.corpora.sources.folder import File, RejectedError
from disentangled_audio.parameters import Analysis, AnySource, AudioFormat, Corpus
from tests.corpora.sources import hostile

pytestmark = pytest.mark.slow

fuzzed = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "4000")),
    # Far beyond what the slowest takes: it is there to tell one that hangs.
    deadline=timedelta(seconds=10),
    database=None,
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)

# ── Names ──────────────────────────────────────────────────────────────────────────────────────


def _grammars() -> list[tuple[NameGrammar, Corpus, AnySource, list[str]]]:
    """Every list of patterns that the project has, once."""
    path = Path(__file__).parents[3] / "conf" / "base" / "parameters_corpora.yml"
    described: dict[str, Any] = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    grammars = {}
    for values in described["_corpora"].values():
        corpus = Corpus.model_validate(values)
        for source in corpus.sources:
            own = source.name_patterns
            patterns = corpus.name_patterns if own is None else own
            key = (*patterns, corpus.lower_case_names)
            grammars[key] = (NameGrammar(corpus, []), corpus, source, patterns)
    return list(grammars.values())


GRAMMARS = _grammars()
PATTERNS = sorted({pattern for *_, patterns in GRAMMARS for pattern in patterns})
VALID_NAMES = [
    *twin_table.twin_files(),
    "smallroom/Room001/Room001-00001.wav",
    "7_theo_12.wav",
    "bass-clarinet_As3_025_forte_normal.mp3",
    "air_binaural_aula_carolina_1_3_135_3.mat",
    "micarray/MICARRAY/data1/circle/E1A/imp050/imp050",
    "robot/data/non/p30r.dat",
    "RIR/RIR_LargeRoom1_far_AnglA.wav",
    "a_ba_ba_200hz_1.wav",
]


def _edited(name: str, at: int, n_removed: int, inserted: str) -> str:
    at %= len(name) + 1
    return name[:at] + inserted + name[at + n_removed :]


EDITED_NAMES = st.builds(
    _edited,
    st.sampled_from(VALID_NAMES),
    st.integers(0, 99),
    st.integers(0, 3),
    st.text(max_size=3) | st.sampled_from(["/", "_", "\n", "../", "\udce9", "RIR", "0" * 99]),
)
NAMES = st.one_of(
    EDITED_NAMES,
    st.builds(_edited, EDITED_NAMES, st.integers(0, 99), st.integers(0, 3), st.just("_")),
    st.text(max_size=20),
    st.sampled_from(PATTERNS).flatmap(lambda pattern: st.from_regex(pattern, fullmatch=True)),
)


def _expected_groups(name: str, patterns: list[str]) -> dict[str, str] | None:
    """Groups of the first pattern that a whole path fits, from whichever folder on."""
    for pattern in patterns:
        parts = name.split("/")
        for first in range(len(parts)):
            match = re.fullmatch(pattern, "/".join(parts[first:]))
            if match is not None:
                return {key: value for key, value in match.groupdict().items() if value is not None}
    return None


@fuzzed
@given(NAMES)
def test_any_name_gives_the_groups_of_the_first_matching_pattern(name: str) -> None:
    for grammar, corpus, source, patterns in GRAMMARS:
        row = grammar.parse(name, "label", source)

        groups = _expected_groups(name.lower() if corpus.lower_case_names else name, patterns)
        assert (row is None) == (groups is None)
        if row is not None and groups is not None:
            assert list(row) == grammar.columns
            assert {key: row[key] for key in groups} == groups


# ── Headers ────────────────────────────────────────────────────────────────────────────────────

_SUBTYPES = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]
_SUBTYPES += ["IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32"]
_SHORT = hostile.sound(480)
VALID_FILES = [
    *(hostile.encoded(_SHORT, subtype=subtype) for subtype in _SUBTYPES),
    *(hostile.encoded(_SHORT, format=name) for name in ("WAVEX", "RF64", "W64", "AIFF", "FLAC")),
    *(hostile.encoded(_SHORT, format=name, subtype="PCM_16") for name in ("AU", "CAF", "SVX")),
    hostile.encoded(hostile.sound(450, 3)),
    hostile.encoded(_SHORT, endian="BIG"),
]


def _mutated(content: bytes, edits: list[tuple[int, bytes]], n_kept: int) -> bytes:
    changed = bytearray(content)
    for at, new in edits:
        changed[at : at + len(new)] = new
    return bytes(changed[:n_kept])


_SIZES = st.sampled_from([0, 1, 2, 3, 7, 8, 16, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1])
_VALUES = st.binary(min_size=1, max_size=8) | _SIZES.map(lambda value: value.to_bytes(4, "little"))
_VALUES |= st.sampled_from([bytes(8), b"\xff" * 8, b"\xff" * 7 + b"\x7f"])
MUTATED_FILES = st.builds(
    _mutated,
    # By number: Hypothesis writes down what a strategy chooses from.
    st.integers(0, len(VALID_FILES) - 1).map(VALID_FILES.__getitem__),
    st.lists(st.tuples(st.integers(0, 120), _VALUES), min_size=1, max_size=4),
    st.just(9999) | st.integers(0, 1100),
)
_SHORTS = st.sampled_from([0, 1, 2, 3, 4, 6, 7, 8, 12, 16, 17, 24, 32, 64, 1024, 65534, 65535])
_TAGS = st.sampled_from([0, 1, 2, 3, 6, 7, 0x11, 0x31, 0x40, 0x55, 0x64, 0xFFFE]) | _SHORTS
MADE_FILES = st.builds(
    hostile.wav,
    st.sampled_from([b"", b"\x01", bytes(range(256)) * 4, hostile.pcm_16(_SHORT)]),
    tag=_TAGS,
    n_channels=_SHORTS,
    rate_hz=_SIZES | st.sampled_from([999, 1000, 8000, 44100, 192000]),
    bits=_SHORTS,
    align=st.none() | _SHORTS,
    fmt_size=st.just(16) | _SIZES,
    data_size=st.none() | _SIZES,
    riff_size=st.none() | _SIZES,
    before=st.sampled_from([b"", b"data", hostile.chunk(b"fact", b"\xff" * 4), bytes(24)]),
)
ANALYSIS = Analysis(sample_rate_hz=hostile.RATE_HZ, duration_s=0.05)


class _InMemory(File):
    """A file that is its content."""

    def __init__(self, content: bytes) -> None:
        super().__init__(Path(), "x.wav")
        object.__setattr__(self, "content", content)

    def read(self) -> bytes:
        return self.content


def _check_read(content: bytes) -> None:
    try:
        samples, rate_hz = read_samples(content, AudioFormat())
    except RejectedError:
        return
    assert samples.dtype == np.float32
    assert samples.ndim == 2
    # What is promised is not believed: memory is bounded by what is there.
    assert samples.size <= 2000 * len(content)
    assert isinstance(rate_hz, int)


def _check_decoded(content: bytes) -> None:
    try:
        decoded = decode([_InMemory(content)], AudioFormat(), 0.02)
        assert np.isfinite(decoded.samples).all()
        assert 1000 <= decoded.sample_rate_hz <= 10_000_000
        clips = [
            to_clip(
                signal,
                decoded.sample_rate_hz,
                ANALYSIS,
                aligned=True,
                rng=np.random.default_rng(0),
            )
            for _, signal in channels(decoded, "mean")
        ]
    except RejectedError:
        return
    assert [clip.shape for clip in clips] == [(400,)]
    assert all(np.isfinite(clip).all() and clip.any() for clip in clips)


@fuzzed
@given(MUTATED_FILES | MADE_FILES)
def test_any_header_gives_finite_samples_or_a_reason(content: bytes) -> None:
    _check_read(content)
    _check_decoded(content)
