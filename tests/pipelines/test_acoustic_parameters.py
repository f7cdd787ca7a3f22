"""Acoustic parameters from recordings to the catalog."""

from pathlib import Path

import numpy as np
import pandas as pd

from tests.conftest import load_catalog


def test_impulse_responses_have_values_and_what_is_missing_has_a_reason(tiny_run: Path) -> None:
    catalog = load_catalog(tiny_run)
    table, recordings = catalog.load("acoustic_parameters"), catalog.load("recordings")

    assert list(table["recording_id"]) == list(recordings["recording_id"])
    assert table.attrs["corpus_hash"] == recordings.attrs["corpus_hash"]
    is_rir = (recordings["kind"] == "rir").to_numpy()
    assert is_rir.any()
    assert not is_rir.all()
    values = table.drop(columns=["recording_id", "reasons"])
    assert values[~is_rir].isna().all(axis=None)
    assert set(table.loc[~is_rir, "reasons"]) == {"not an impulse response: all"}
    assert values.loc[is_rir, ["t20_500hz_s", "drr_db", "bandwidth_hz"]].notna().mean().min() > 0.3
    assert (values["t20_500hz_s"].dropna() > 0).all()
    for _, row in table[is_rir].iterrows():
        missing = [name for name in values if pd.isna(row[name])]
        named = [name for part in row["reasons"].split("; ") if part for name in _names(part)]
        assert sorted(named) == sorted(missing), row["recording_id"]
    assert np.isfinite(values.loc[is_rir, "bandwidth_hz"]).all()


def _names(part: str) -> list[str]:
    return part.partition(": ")[2].split(", ")
