"""Text in CSV files: no spreadsheet runs it, and it reads back the same."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.datasets.csv_dataset import CSVDataset, LongCSVDataset
from disentangled_audio.storage.csv_cells import guarded, guarded_table, unguarded

STARTS = "=+-@\t\r\n＝＋－＠"
FORMULAS = [
    *("=1+1", '=HYPERLINK("http://a.b","owl")', "+cmd|' /C calc'!A0", "-2+3", "@SUM(1,2)"),
    *("\t=1+1", "＝1+1", "'=1+1", "''=1+1", "-", "-owl", "--1", "=\n1"),
]
PLAIN = ["owl", "", "'owl'", "a=b", " =1", "-1", "+3.5", "-1e-3", "1", "'-1", "o'=1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_text_and_read_back(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_and_numbers_stay_as_they_are(text: str) -> None:
    assert guarded(text) == unguarded(text) == text


@given(st.text(alphabet="=+-@\t\r\n＝'1.e owl", max_size=6) | st.text())
def test_whatever_is_written_is_read_back(text: str) -> None:
    written = guarded(text)
    assert unguarded(written) == text
    if written and written[0] in STARTS:
        # Fails unless it is a number, which a spreadsheet shows as it is.
        float(written)


@pytest.mark.parametrize("kind", [CSVDataset, LongCSVDataset])
def test_a_saved_table_runs_nothing_and_loads_the_same(kind: type, tmp_path: Path) -> None:
    table = pd.DataFrame({"text": FORMULAS, "number": -np.arange(len(FORMULAS), dtype=float)})
    table["=header"] = pd.Categorical(table["text"])
    table["some"] = table["text"].where(table.index != 1)
    options = {"save_args": {"index": False}} if kind is CSVDataset else {}
    dataset = kind(filepath=str(tmp_path / "a.csv"), **options)
    before = table.copy()
    dataset.save(table)
    pd.testing.assert_frame_equal(table, before)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["text", "number", "'=header", "some"]
    assert not [cell for row in rows for cell in (row[0], *row[2:]) if cell[:1] in set(STARTS)]
    loaded = dataset.load()
    pd.testing.assert_frame_equal(loaded, table.astype(loaded.dtypes), check_categorical=False)


def test_columns_of_one_name_and_other_values_are_kept() -> None:
    table = pd.DataFrame([["=1", 2, None, ["=1"]], ["b", -3, True, {}]], columns=["a", "a", 1, "b"])
    text = guarded_table(table).to_csv(index=False)
    assert list(csv.reader(io.StringIO(text)))[1] == ["'=1", "2", "", "['=1']"]
