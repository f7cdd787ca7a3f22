"""Corpora: sources known by their keys, and clips that can be made."""

from typing import Any

import pytest

from disentangled_audio import parameters as p
from tests.parameters.refusal import refused

ANALYSIS = {"sample_rate_hz": 16000, "duration_s": 0.5}
CORPUS = {"sources": [{"folder": "mine"}], "analysis": ANALYSIS}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("duration_s", 0),
        ("duration_s", 61),
        ("duration_s", "long"),
        ("duration_s", float("nan")),
        ("min_duration_s", -0.01),
        ("pre_direct_s", -0.01),
        ("sample_rate_hz", 0),
        ("sample_rate_hz", 16000.5),
        ("channel", "second"),
        ("align", "end"),
        ("fill", "noise"),
        ("normalise_energy", "perhaps"),
    ],
)
def test_an_invalid_value_of_the_analysis_is_refused_by_its_key(key: str, value: Any) -> None:
    assert {name.split(".")[0] for name in refused(p.Analysis, {**ANALYSIS, key: value})} == {key}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sources", []),
        ("max_rejected_share", 1.1),
        ("max_rejected_share", -0.1),
        ("analysis", None),
        ("files", {"a": 1}),
    ],
)
def test_a_wrong_value_of_a_corpus_is_refused_by_its_key(key: str, value: Any) -> None:
    assert {name.split(".")[0] for name in refused(p.Corpus, {**CORPUS, key: value})} == {key}


@pytest.mark.parametrize(
    "band_hz", [(3000, 300), (300, 300), (0, 300), (-1, 300), (300, 8001), (9000, 9500)]
)
def test_a_band_must_rise_and_end_at_half_of_the_sampling_rate(
    band_hz: tuple[float, float],
) -> None:
    (message,) = refused(p.Analysis, {**ANALYSIS, "band_hz": band_hz}).values()

    assert "must rise and end at or below half of sample_rate_hz (8000 Hz)" in message
    assert str([float(value) for value in band_hz]) in message


def test_a_band_may_end_at_half_of_the_sampling_rate() -> None:
    assert p.Analysis(**ANALYSIS, band_hz=[100, 8000]).band_hz == (100.0, 8000.0)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("*.wav", ["*.wav"]),
        (["*.wav", "*.flac"], ["*.wav", "*.flac"]),
        (7, ["7"]),
        ([0, 1], ["0", "1"]),
        ([], []),
    ],
)
def test_a_single_text_stands_for_a_list(written: Any, read: list[str]) -> None:
    corpus = p.Corpus.model_validate({**CORPUS, "files": written, "name_patterns": written})

    assert corpus.files == corpus.name_patterns == read


def test_a_source_is_known_by_its_keys() -> None:
    corpus = p.Corpus.model_validate(
        {**CORPUS, "sources": [{"folder": "mine"}, {"generator": "twin", "seed": 3}]}
    )

    assert corpus.sources == [p.FolderSource(folder="mine"), p.TwinSource(generator="twin", seed=3)]


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ({"folder": "mine", "colour": "red"}, {"folder": "unknown key colour"}),
        ({"url": "ftp://x/a.zip"}, {"archive": "must start with http"}),
        ({"folder": "mine", "url": "http://x/a.zip", "max_files": 0}, {"archive.max_files": ""}),
        ({"generator": "factors", "takes": 0}, {"factors.takes": "greater than or equal to 1"}),
        ({"generator": "twin", "seed": -1}, {"twin.seed": "greater than or equal to 0"}),
        ({"generator": "fractal"}, {"": "generator must be twin or factors"}),
        ("mine", {"folder": "valid dictionary"}),
    ],
)
def test_errors_of_a_source_concern_its_own_kind(source: object, messages: dict[str, str]) -> None:
    errors = refused(p.Corpus, {**CORPUS, "sources": [source]})

    keys = {key.removeprefix("sources.0").strip("."): text for key, text in errors.items()}
    assert len(keys) == len(messages)
    for (key, text), (expected_key, expected) in zip(keys.items(), messages.items(), strict=True):
        assert key.startswith(expected_key)
        assert expected in text
