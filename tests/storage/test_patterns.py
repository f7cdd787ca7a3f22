"""Patterns of strangers: as `re` matches them, and never for long."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.sources.folder import Patterns
from disentangled_audio.corpora.sources.places import locate
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus
from disentangled_audio.storage.patterns import Pattern

# Has what the patterns end in, so that a search cannot give up for want of it.
NAME = "a" * 200 + "b,c.wav-!"
# Python's `re` would need years for each; `regex` sees that the first ones cannot match.
GUARDED = [
    *(r"(?P<x>a+)+b", r"(?P<x>(a*)*)b", r"(?P<x>(.*)*),", r"(?P<x>([a-z]+)*)-"),
    *(r"(?P<x>(\w+\s?)+)-", r"(?P<x>(\w|\d)+)-", r"(?P<x>(a+){2,})\1b", r"(?P<x>(a|a?)+)-"),
]
STOPPED = [r"(?P<x>(a|aa)+)b", r"(?P<x>(a|a)+)b", r"(?P<x>(a|b|ab|aa)*)-"]


def _corpus(source: dict[str, Any], **options: Any) -> Corpus:
    analysis = {"sample_rate_hz": 8000, "duration_s": 1.0}
    return Corpus(sources=[source], analysis=analysis, **options)


def _parsed(pattern: str, name: str) -> object:
    return NameGrammar(_corpus({"folder": "."}, name_patterns=[pattern]), []).parse(name)


@pytest.mark.parametrize("text", GUARDED)
def test_a_name_pattern_that_backtracks_ends(text: str) -> None:
    assert _parsed(text, NAME) is None


@pytest.mark.parametrize("text", STOPPED)
def test_one_that_does_not_end_is_stopped_and_named_with_the_file(text: str) -> None:
    with pytest.raises(UserError, match="takes more than") as caught:
        _parsed(text, NAME)
    assert repr(text) in str(caught.value)
    assert NAME in str(caught.value)


def test_so_are_patterns_of_channels_and_globs_end(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.wav").write_bytes(b"")
    source = {"folder": str(tmp_path), "channel_files": r"(?P<channel>(a|aa)+)-"}
    with pytest.raises(UserError, match=r"channel_files .* takes more than"):
        locate(_corpus(source), [tmp_path])
    assert Patterns(["*a" * 12 + "*b,c.wav"]).matches(NAME) is None


@pytest.mark.parametrize(
    "text", ["(", "(" * 5000 + ")" * 5000, "(?R)", "(?P<a>x)(?P<a>y)", "a{9999999999999999999}"]
)
def test_what_is_no_regular_expression_of_python_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^it is not a regular expression"):
        Pattern(text, "it")


@pytest.mark.parametrize(
    "text",
    [
        *(r"(?P<class>[a-z]+)_(?P<number>\d+)\.wav", r"(?i)(?P<class>OWL)", r"(?P<a>\w)(?P=a)"),
        *(r"(?<=_)(?P<a>.)(?!\d)", r"(?P<a>.*?)_(?P<b>.*)\Z", r"(?P<a>é|ß)", r"(?s)(?P<a>.+)"),
    ],
)
@given(name=st.text("owl_0179./éß\n", max_size=12))
def test_it_matches_as_re_does(text: str, name: str) -> None:
    pattern, expected = Pattern(text, "it"), re.compile(text)
    assert pattern.groups == expected.groupindex
    for found, wanted in (
        (pattern.search(name), expected.search(name)),
        (pattern.match(name), expected.match(name)),
    ):
        assert (found and found.groupdict()) == (wanted and wanted.groupdict())
