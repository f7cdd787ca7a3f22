"""Counts, known hashes and links."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from disentangled_audio.corpora.reading.integrity import (
    integrity_report,
    linked_recordings,
    wrong_headers,
)
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus, Link
from tests.corpora.reading.reading import ingest

CORPUS = {
    "sources": [{"folder": "mine"}],
    "name_patterns": r"(?P<label>[a-z]+)_\d\.wav",
    "max_rejected_share": 0.9,
    "analysis": {"sample_rate_hz": 16000, "duration_s": 0.1},
}
NAMES = ["cat_1.wav", "cat_2.wav", "dog_1.wav"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    for seed, name in enumerate(NAMES):
        samples = np.random.default_rng(seed).normal(0, 0.1, 2000)
        soundfile.write(tmp_path / "mine" / name, samples, 16000)
    return tmp_path


def _sha256(data: Path, name: str) -> str:
    return hashlib.sha256((data / "mine" / name).read_bytes()).hexdigest()


def _corpus(**changes: Any) -> Corpus:
    return Corpus.model_validate({**CORPUS, **changes})


def _table(hashes: dict[str, str], form: str) -> str:
    match form:
        case "sha256sum":
            return "".join(f"{value}  ./{name}\n" for name, value in hashes.items())
        case "csv":
            return "name,sha256\n" + "".join(f"{n},{v.upper()}\n" for n, v in hashes.items())
        case _:
            return "name\tsha256\tsize\n" + "".join(f"{n}\t{v}\t1\n" for n, v in hashes.items())


@pytest.mark.parametrize("form", ["sha256sum", "csv", "tsv"])
def test_a_file_with_another_hash_is_rejected_and_the_others_are_kept(
    data: Path, form: str
) -> None:
    hashes = {name: _sha256(data, name) for name in NAMES[:2]}
    hashes["cat_2.wav"] = "0" * 64
    (data / "known").write_text(_table(hashes, form), encoding="utf-8")

    ingested = ingest(_corpus(hashes="known"), [data])

    # What the table does not name is not judged.
    assert ingested.recordings["path"].tolist() == ["mine/cat_1.wav", "mine/dog_1.wav"]
    (row,) = ingested.rejected.to_dict("records")
    assert row["path"] == "mine/cat_2.wav"
    assert _sha256(data, "cat_2.wav") in row["reason"]
    assert "0" * 64 in row["reason"]


def test_wrong_hashes_are_counted_as_one_reason(data: Path) -> None:
    (data / "known").write_text(_table(dict.fromkeys(NAMES[:2], "0" * 64), "csv"), encoding="utf-8")

    with pytest.raises(UserError, match=r"\(2 × not the expected file\)"):
        ingest(_corpus(hashes="known", max_rejected_share=0.1), [data])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "corpus.hashes not found: "),
        ("", "must hold lines of sha256sum, or columns name and sha256"),
        ("name,sha256\na.wav,abc\n", "must hold lines of sha256sum"),
        ("file,md5\na.wav,1\n", "must hold lines of sha256sum"),
        (f"{'0' * 64}  a.wav\n{'1' * 64}  a.wav\n", "gives a file two hashes"),
    ],
)
def test_a_table_of_hashes_that_cannot_be_used_is_named(
    data: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (data / "known").write_text(text, encoding="utf-8")

    with pytest.raises(UserError, match=message) as caught:
        ingest(_corpus(hashes="known"), [data])
    assert str(data / "known") in str(caught.value)


def _rows(*rows: tuple[str, str, str, str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    table = pd.DataFrame(rows, columns=["recording_id", "kind", "sha256", "target", "role"])
    recordings = table[["recording_id", "kind", "sha256"]].assign(
        path=table["recording_id"].str.partition("#")[0], label=table["target"]
    )
    return recordings, table[["recording_id", "target", "role"]]


def test_found_and_expected_counts_are_by_class_and_kind() -> None:
    recordings, splits = _rows(
        ("a1", "rir", "1", "a", "train"),
        ("a2", "noise", "2", "a", "train"),
        ("b1", "rir", "3", "b", "test"),
    )
    expected = [
        {"recordings": 3},
        {"where": {"label": "a", "kind": ["rir", "noise"]}, "recordings": 2},
        {"where": {"kind": "rir"}, "recordings": 5},
    ]
    rejected = pd.DataFrame({"path": ["broken.wav"]})

    report = integrity_report(recordings, splits, rejected, _corpus(expected=expected))

    assert report["found"] == [
        {"class": "a", "kind": "noise", "recordings": 1},
        {"class": "a", "kind": "rir", "recordings": 1},
        {"class": "b", "kind": "rir", "recordings": 1},
    ]
    assert [(row["expected"], row["found"]) for row in report["expected"]] == [
        (3, 3),
        (2, 2),
        (5, 2),
    ]
    assert not report["complete"]
    assert report["findings"] == [
        "2 of 5 expected recordings were found (rir).",
        "1 files were rejected; rejected_recordings has the reasons.",
    ]


def test_recordings_that_are_not_used_are_counted_by_reason() -> None:
    recordings, splits = _rows(
        ("a1", "rir", "1", "a", "train"),
        ("a2", "rir", "2", "a", "unused"),
        ("b1#0", "rir", "3", "b", "unused"),
        ("b1#1", "rir", "3", "b", "unused"),
        ("c1", "rir", "4", "", "unused"),
    )
    splits["target"] = splits["target"].replace("", None)

    report = integrity_report(recordings, splits, pd.DataFrame(), _corpus())

    assert report["findings"] == [
        "1 recordings have no target and are not used.",
        "2 recordings are left out by protocol.where.",
    ]


def test_a_missing_expected_column_is_named() -> None:
    recordings, splits = _rows(("a1", "rir", "1", "a", "train"))
    corpus = _corpus(expected=[{"where": {"colour": "red"}, "recordings": 1}])

    with pytest.raises(UserError, match=r"corpus\.expected: there is no column 'colour'"):
        integrity_report(recordings, splits, pd.DataFrame(), corpus)


def test_links_need_the_same_values_in_all_columns() -> None:
    recordings = pd.DataFrame(
        [
            ("n1", "noise", "x", "hall"),
            ("n2", "noise", "y", "hall"),
            ("n3", "noise", "x", None),
            ("r1", "rir", "x", "hall"),
            ("r2", "rir", "x", "attic"),
            ("r3", "rir", "x", None),
        ],
        columns=["recording_id", "kind", "site", "room"],
    )
    link = Link(kind="noise", to="rir", by=["site", "room"])

    pairs = linked_recordings(recordings, link)

    # Two rooms without a name are not the same room.
    assert pairs.to_numpy().tolist() == [["n1", "r1"]]
    assert linked_recordings(recordings, None).empty
    with pytest.raises(UserError, match=r"corpus\.link\.by: there is no column 'place'"):
        linked_recordings(recordings, link.model_copy(update={"by": ["place"]}))


def test_wrong_headers_are_said_once_with_an_example() -> None:
    wrong = "its header leaves the size of its samples open"
    recordings = pd.DataFrame(
        {
            "recording_id": ["a#0", "a#1", "b#0", "c#0"],
            "path": ["a", "a", "b", "c"],
            "warnings": [wrong, wrong, wrong, ""],
        }
    )

    (said,) = wrong_headers(recordings)

    assert said.startswith("2 of 3 recordings were read to their end although their headers are")
    assert f"such as a: {wrong}" in said
    assert wrong_headers(recordings[3:]) == []
