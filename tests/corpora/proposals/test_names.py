"""Patterns of names: whatever the names are, a pattern that is proposed matches all of them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.corpora.proposals.names import fields_of, readings
from disentangled_audio.corpora.proposals.natures import nature, nature_of_header

_STEMS = st.text(st.sampled_from("aZb09_-. ()[]é雨1"), min_size=1, max_size=12)


@given(st.lists(_STEMS, min_size=1, max_size=6, unique=True))
def test_every_reading_matches_all_names(stems: list[str]) -> None:
    # A dot at the start or end is no ending.
    names = [f"a{stem}a.wav" for stem in stems]
    for pattern in readings(names):
        compiled = re.compile(pattern)
        assert all(compiled.fullmatch(name.removesuffix(".wav")) for name in names)
        fields = list(fields_of(pattern))
        assert fields == [f"field{number + 1}" for number in range(len(fields))]


@pytest.mark.parametrize(
    ("names", "parts"),
    [
        (["owl_3.wav", "wren_4.wav"], ["owl", "3"]),
        (["k12b04Xc.wav", "k13b05Yd.wav"], ["k", "12", "b", "04", "X", "c"]),
        (["k12xa.wav", "k13xb.wav", "k12ya.wav", "k13yb.wav"], ["k", "12", "x", "a"]),
        (["OwlNorth3.wav", "WrenSouth4.wav"], ["Owl", "North", "3"]),
        (["laugh_1.m4a_9.wav", "cough_2.m4a_8.wav"], ["laugh", "1", "9"]),
        (["Barn owl 3.wav", "Wren 4.wav"], ["Barn owl", "3"]),
        (["cat (12).wav", "dog (1).wav"], ["cat", "12"]),
        (["dog-bark_3.wav", "cat_4.wav"], ["dog-bark", "3"]),
        (["2024-05-01_owl.wav", "2024-05-02_wren.wav"], ["2024-05-01", "owl"]),
        (["1.0-owl.wav", "1.1-wren.wav"], ["1.0", "owl"]),
        (["Barnowl.wav", "Wren2.wav"], ["Barnowl", ""]),
    ],
)
def test_names_are_split_where_a_person_would(names: list[str], parts: list[str]) -> None:
    pattern = readings(names)[0]
    match = re.fullmatch(pattern, names[0].removesuffix(".wav"))
    assert match is not None
    assert [match[field] for field in fields_of(pattern)] == parts


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (["m", "F"], "sex"),
        (["speaker01", "speaker12"], "speaker"),
        (["sitea", "siteb"], "site"),
        (["fold1", "fold10"], "published_fold"),
        (["train", "Test"], "part"),
        (["1430742197", "1430742198123"], "time"),
        (["20240501", "20240502"], "date"),
        (["20240501T063000", "20240502T063000"], "time"),
        (["1.0", "1.12"], "version"),
        (["adult", "child"], "age"),
        (["owl", "wren"], ""),
        # A class, not a recorder.
        (["cat1", "cat2"], ""),
    ],
)
def test_values_tell_what_they_are(values: list[str], name: str) -> None:
    assert nature(values) == name


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("speaker_id", "source"),
        ("fsID", "source"),
        ("classID", "label"),
        ("species", "label"),
        ("fold", "published_fold"),
        ("gender", "sex"),
        ("salience", ""),
    ],
)
def test_headers_tell_what_a_column_is(header: str, name: str) -> None:
    assert nature_of_header(header, ["1", "2"]) == name
