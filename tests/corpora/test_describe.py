"""Columns from names and tables: every name of SLR28, and refused patterns and tables."""

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from disentangled_audio.corpora.describe import MEASURED_COLUMNS, NameGrammar
from disentangled_audio.corpora.generators import twin_table
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus

CORPORA = Path(__file__).parents[2] / "conf" / "base" / "parameters_corpora.yml"
ANALYSIS = {"sample_rate_hz": 16000, "duration_s": 0.5}
RIGHTS = {"licence": "unknown", "citation": ""}

RVB2014_ROOMS = {
    f"{size}room{number}"
    for size, numbers in {"small": "12", "medium": "12", "large": "12", "sim": "123"}.items()
    for number in numbers
}


@cache
def _own(name: str) -> Corpus:
    return Corpus.model_validate(
        OmegaConf.to_container(OmegaConf.load(CORPORA)._corpora[name], resolve=True)
    )


def _grammar(folder: Path = Path(), **corpus: Any) -> NameGrammar:
    described = {"sources": [{"folder": "x"}], "analysis": ANALYSIS, **corpus}
    return NameGrammar(Corpus.model_validate(described), [folder])


def _twin_columns() -> dict[str, dict[str, str | None]]:
    grammar = NameGrammar(_own("twin"), [])
    parsed = {name: grammar.parse(f"twin/{name}") for name in twin_table.twin_files()}
    assert None not in parsed.values(), [name for name, row in parsed.items() if row is None]
    return {name: row for name, row in parsed.items() if row is not None}


def test_every_name_of_the_twin_gives_its_database_kind_and_physical_room() -> None:
    parsed = _twin_columns()

    assert len(parsed) == 417
    for name, group in twin_table.twin_files().items():
        row = parsed[name]
        assert (row["database"], row["kind"], row["room"]) == (
            group.database,
            group.kind,
            group.room,
        ), name


def test_there_are_as_many_responses_and_noises_as_the_archive_has() -> None:
    counts = Counter((row["kind"], row["database"]) for row in _twin_columns().values())

    assert counts == {
        ("rir", "RWCP"): 182,
        ("rir", "air"): 107,
        ("rir", "RVB2014"): 36,
        ("noise", "RVB2014"): 90,
        ("noise", "RWCP"): 2,
    }


def test_the_physical_rooms_are_those_of_the_databases() -> None:
    rooms: dict[str | None, set[str | None]] = {}
    for row in _twin_columns().values():
        rooms.setdefault(row["database"], set()).add(row["room"])

    assert rooms == {
        "RVB2014": RVB2014_ROOMS,
        "RWCP": {"ane", "e1", "e2", "jr1", "jr2", "ofc", "type4"},
        "air": {
            "aula_carolina",
            "bathroom",
            "booth",
            "corridor",
            "kitchen",
            "lecture",
            "meeting",
            "office",
            "stairway",
        },
    }


@pytest.mark.parametrize(
    "name",
    [
        "twin/xRVB2014_type1_noise_largeroom1_10.wav",
        "twin/RVB2014_type1_noise_largeroom1_10.wav.part",
        "twin/RVB2014_type1_rir_largeroom1_far_anglc.wav",
        "twin/RWCP_type4_rir_p30x.wav",
        "twin/",
    ],
)
def test_a_name_that_only_resembles_the_grammar_is_not_taken(name: str) -> None:
    assert NameGrammar(_own("twin"), []).parse(name) is None


@pytest.mark.parametrize(
    ("name", "values"),
    [
        (
            "bass-clarinet_As3_025_forte_normal.mp3",
            ("bass-clarinet", "As3", "As", "3", "025", "forte", "normal"),
        ),
        (
            "strings/cello/cello_C2_15_molto-pianissimo_arco-normal.mp3",
            ("cello", "C2", "C", "2", "15", "molto-pianissimo", "arco-normal"),
        ),
        (
            "banjo_B3_very-long_piano_normal.mp3",
            ("banjo", "B3", "B", "3", "very-long", "piano", "normal"),
        ),
        (
            "viola_Fs6_phrase_cresc-decresc_arco-tremolo.mp3",
            ("viola", "Fs6", "Fs", "6", "phrase", "cresc-decresc", "arco-tremolo"),
        ),
        # Percussion has no note; the other names are not of this kind.
        ("percussion/bell tree/bell-tree__025_forte_struck-singly.mp3", None),
        ("bass-drum_1_forte_struck-singly.mp3", None),
        ("oboe_H4_1_forte_normal.mp3", None),
        ("oboe_Gb4_1_forte_normal.mp3", None),
        ("oboe_A4_1_forte.mp3", None),
        ("oboe_A4_1_forte_normal.mp3.part", None),
    ],
)
def test_names_of_notes(name: str, values: tuple[str, ...] | None) -> None:
    columns = ("instrument", "note", "pitch", "octave", "length", "dynamic", "articulation")

    row = NameGrammar(_own("philharmonia"), []).parse(name)

    assert (row and tuple(row[column] for column in columns)) == values


def test_the_first_pattern_that_matches_wins_and_the_others_columns_are_empty() -> None:
    grammar = _grammar(name_patterns=[r"(?P<speaker>[a-z]+)\.wav", r"(?P<take>\w+)\.wav"])

    assert grammar.parse("x/anna.wav") == {
        "speaker": "anna",
        "take": None,
        "folder": "x",
        "kind": "recording",
        **RIGHTS,
    }
    row = grammar.parse("x/7.wav")
    assert row is not None
    assert (row["speaker"], row["take"]) == (None, "7")
    assert grammar.columns == ["speaker", "take", "folder", "kind", "licence", "citation"]


def test_a_pattern_may_read_folders_and_set_the_kind() -> None:
    grammar = _grammar(kind="rir", name_patterns=[r"(?P<site>\w+)/(?P<kind>noise)?\d+\.wav"])

    by_pattern, by_corpus = grammar.parse("x/hall/noise1.wav"), grammar.parse("x/hall/1.wav")

    assert by_pattern == {"site": "hall", "kind": "noise", "folder": "x/hall", **RIGHTS}
    assert by_corpus == {"site": "hall", "kind": "rir", "folder": "x/hall", **RIGHTS}


def test_without_patterns_and_table_every_name_gives_its_folder() -> None:
    assert _grammar().parse("music/piano/a.wav") == {
        "folder": "music/piano",
        "kind": "recording",
        **RIGHTS,
    }


def test_a_table_joins_by_path_or_by_file_name(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text(
        "path,speaker\nclips/a.wav,anna\nsub/b.wav,bert\nc.wav,cleo\n", encoding="utf-8"
    )
    grammar = _grammar(tmp_path, metadata="m.csv")

    found = {
        name: None if row is None else row["speaker"]
        for name in ("clips/a.wav", "my/clips/sub/b.wav", "clips/sub/c.wav", "clips/b.wav")
        for row in [grammar.parse(name)]
    }

    assert found == {
        "clips/a.wav": "anna",
        "my/clips/sub/b.wav": "bert",
        "clips/sub/c.wav": "cleo",
        "clips/b.wav": None,
    }


def test_a_table_completes_a_pattern_and_its_empty_cells_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,take,room\n1.wav,9,hall\n2.wav,,\n", encoding="utf-8")
    grammar = _grammar(tmp_path, metadata="m.csv", name_patterns=[r"(?P<take>\d)\.wav"])

    rows = [grammar.parse(f"x/{number}.wav") for number in (1, 2, 3)]

    assert [(row["take"], row["room"]) for row in rows if row is not None] == [
        ("9", "hall"),
        ("2", None),
        ("3", None),
    ]
    assert grammar.columns == ["take", "room", "folder", "kind", "licence", "citation"]


def test_cells_are_text_and_labels_like_none_are_kept(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("file,label\na,None\nb,NA\nc,007\n", encoding="utf-8")
    grammar = _grammar(tmp_path, metadata="m.csv")

    labels = [row["label"] for name in "abc" if (row := grammar.parse(name)) is not None]

    assert labels == ["None", "NA", "007"]


def test_the_first_folder_that_has_the_table_is_used(tmp_path: Path) -> None:
    for number, folder in enumerate(["first", "second"]):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.csv").write_text(f"file,n\na.wav,{number}\n", encoding="utf-8")
    corpus = Corpus.model_validate(
        {"sources": [{"folder": "x"}], "metadata": "m.csv", "analysis": ANALYSIS}
    )
    folders = [tmp_path / name for name in ("none", "first", "second")]

    row = NameGrammar(corpus, folders).parse("a.wav")

    assert row is not None
    assert row["n"] == "0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,speaker\na.wav,anna\n", r"needs a column 'path' or 'file'; it has \['name'"),
        ("path,speaker\na.wav,anna\nb.wav,b\na.wav,c\n", "different things of 'a.wav'"),
        ("path,sha256\na.wav,1\n", r"column names \['sha256'\] are reserved"),
        ("", "is empty"),
        ('path\n"', "line 2"),
    ],
)
def test_an_unusable_table_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.csv").write_text(text, encoding="utf-8")

    with pytest.raises(UserError, match=message) as caught:
        _grammar(tmp_path, metadata="m.csv")
    assert str(tmp_path / "m.csv") in str(caught.value)


def test_a_table_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes("path,room\na.wav,Küche\n".encode("latin-1"))

    with pytest.raises(UserError, match="is not text in UTF-8"):
        _grammar(tmp_path, metadata="m.csv")


def test_a_missing_table_names_every_searched_place(tmp_path: Path) -> None:
    corpus = Corpus.model_validate(
        {"sources": [{"folder": "x"}], "metadata": "m.csv", "analysis": ANALYSIS}
    )

    with pytest.raises(UserError, match="metadata table not found") as caught:
        NameGrammar(corpus, [tmp_path / "one", tmp_path / "two"])
    for folder in ("one", "two"):
        assert str(tmp_path / folder / "m.csv") in str(caught.value)


def test_an_invalid_regular_expression_is_shown_as_written() -> None:
    with pytest.raises(UserError, match="is not a regular expression") as caught:
        _grammar(name_patterns=[r"(?P<speaker>[a-z]+\.wav"])
    assert repr(r"(?P<speaker>[a-z]+\.wav") in str(caught.value)


@pytest.mark.parametrize("column", MEASURED_COLUMNS)
def test_a_pattern_may_not_set_measured_columns(column: str) -> None:
    with pytest.raises(UserError, match=rf"column names \['{column}'\] are reserved"):
        _grammar(name_patterns=[rf"(?P<{column}>\w+)\.wav"])


SOME_TEXT = st.text(st.characters(), max_size=40)
LIKE_A_NAME = st.lists(
    st.sampled_from(["RWCP", "_", "type1", "rir", "circle", "e1a", "/", ".wav", "\n", "9"]),
    max_size=12,
).map("".join)


@given(SOME_TEXT | LIKE_A_NAME)
def test_any_text_gives_all_columns_or_none(text: str) -> None:
    grammar = NameGrammar(_own("twin"), [])

    row = grammar.parse(text)

    assert row is None or list(row) == grammar.columns


@given(text=SOME_TEXT)
def test_any_text_can_be_looked_up_in_a_table(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "m.csv").write_text("file,label\na.wav,1\n", encoding="utf-8")
    grammar = _grammar(folder, metadata="m.csv")

    row = grammar.parse(f"{text}/a.wav")

    assert row is not None
    assert row["label"] == "1"
