"""Tables that say what recordings are, as people write them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.corpora.table_files import read_table
from disentangled_audio.corpora.table_keys import TableKeys
from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus

FILES = ["owl/a.wav", "owl/b.wav", "wren/c.wav"]


def _read(folder: Path, content: str | bytes) -> Any:
    file = folder / "table.csv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(file)


def _grammar(folder: Path, content: str) -> NameGrammar:
    (folder / "table.csv").write_text(content, encoding="utf-8")
    described = {
        "sources": [{"folder": "."}],
        "metadata": "table.csv",
        "analysis": {"sample_rate_hz": 8000, "duration_s": 1},
    }
    return NameGrammar(Corpus.model_validate(described), [folder])


@pytest.mark.parametrize(
    "content",
    [
        "file,label\nowl/a.wav,owl\n",
        "file;label\nowl/a.wav;owl\n",
        "file\tlabel\nowl/a.wav\towl\n",
        "file|label\nowl/a.wav|owl\n",
        "sep=;\nfile;label\nowl/a.wav;owl\n",
        "\ufefffile,label\r\nowl/a.wav,owl\r\n",
        "file,label,\nowl/a.wav,owl,\n",
        "file,label\nowl/a.wav,owl,,\n",
        "file , label\n owl/a.wav,owl \n\n",
        '"file","label"\n"owl/a.wav","owl"\n',
        "file,label\nowl/a.wav,owl".encode("utf-16"),
    ],
)
def test_tables_of_all_programs_are_the_same(tmp_path: Path, content: str | bytes) -> None:
    assert _read(tmp_path, content).to_dict("records") == [{"file": "owl/a.wav", "label": "owl"}]


def test_labels_stay_text_and_only_empty_cells_are_missing(tmp_path: Path) -> None:
    table = _read(tmp_path, 'file,label,note\na,007,"two\nlines"\nb,NA,\n')
    assert table["label"].tolist() == ["007", "NA"]
    assert table["note"].isna().tolist() == [False, True]
    assert table.attrs["lines"] == [3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("file,label\na,b,c\n", "line 2 has 3 cells, the first line 2"),
        ("file,label,label\na,b,c\n", "two columns 'label'"),
        ("file,,label\na,b,c\n", "column 2 has no name"),
        (b"file,label\na,\xff\xfe\xfd\n", "not text in UTF-8"),
        (b"PK\x03\x04\x00\x00", "not text"),
        ('file,label\n"a,b\n', "line 2"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        _read(tmp_path, content)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("owl/a.wav", "owl/a.wav"),
        ("a.wav", "birds/owl/a.wav"),
        ("./owl/a.wav", "owl/a.wav"),
        ("owl\\a.wav", "owl/a.wav"),
        ("C:\\birds\\owl\\a.wav", "owl/a.wav"),
        ("/home/me/birds/owl/a.wav", "recordings/owl/a.wav"),
        ("OWL/A.WAV", "owl/a.wav"),
        ("owl/a", "owl/a.wav"),
        ("owl/a.mp3", "owl/a.wav"),
        ("owl/\u00e9.wav", "owl/e\u0301.wav"),
        ("  owl//a.wav ", "owl/a.wav"),
    ],
)
def test_a_row_is_found_however_its_path_is_written(key: str, name: str) -> None:
    keys = TableKeys({key: {}, "wren/other.wav": {}})
    assert keys.find(name) == key
    assert keys.unused == ["wren/other.wav"]


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (["A.wav", "a.WAV"], "a.wav"),
        (["x/owl/a.wav", "y/owl/a.wav"], "owl/a.wav"),
        (["owl/a.wav"], "wren/a.wav"),
        (["/home/owl/a.wav"], "wren/a.wav"),
        (["a.wav"], "ba.wav"),
    ],
)
def test_what_is_not_clear_is_not_taken(rows: list[str], name: str) -> None:
    assert TableKeys(dict.fromkeys(rows)).find(name) is None


@given(st.lists(st.text(min_size=1), max_size=5), st.text(min_size=1))
def test_any_names_find_a_key_of_the_table_or_none(rows: list[str], name: str) -> None:
    assert TableKeys(dict.fromkeys(rows)).find(name) in {*rows, None}


def test_rows_that_name_no_file_are_counted_with_an_example(tmp_path: Path) -> None:
    grammar = _grammar(tmp_path, "path,label\nowl/a.wav, owl\nowl/z.wav,owl\nwren/c.wav,wren\n")
    assert [grammar.parse(name) is not None for name in FILES] == [True, False, True]
    assert grammar.table_findings(FILES, "label") == [
        "table.csv: blanks around 1 cells were removed",
        "1 of 3 rows of table.csv name no file, such as 'owl/z.wav'; a file is 'owl/a.wav'",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("path,label\nowl/a.wav,owl\ncrow/z.wav,crow\n", "Class crow has no file at all"),
        ("path,label\nx/1.wav,owl\nx/2.wav,crow\n", "2 of 2 rows .* such as 'x/1.wav'"),
    ],
)
def test_a_class_without_files_is_an_error(tmp_path: Path, content: str, message: str) -> None:
    grammar = _grammar(tmp_path, content)
    for name in FILES:
        grammar.parse(name)
    with pytest.raises(UserError, match=message):
        grammar.table_findings(FILES, "label")


def test_rows_that_contradict_each_other_are_named(tmp_path: Path) -> None:
    same = "path,label\na.wav,owl\na.wav,owl\n"
    parsed = _grammar(tmp_path, same).parse("a.wav")
    assert parsed is not None
    assert parsed["label"] == "owl"
    with pytest.raises(UserError, match=r"'a\.wav' in lines 2 and 4"):
        _grammar(tmp_path, same.replace("owl\n", "owl\n", 1) + "a.wav,wren\n")
