"""What each code says is measured beside controls, from what the catalog holds."""

import shutil
from pathlib import Path

import pytest

from disentangled_audio.errors import UserError
from tests.conftest import load_catalog, run_kedro


@pytest.fixture(scope="module")
def measured(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("measured") / "project"
    shutil.copytree(tiny_run, project)
    run_kedro(project, pipelines=["disentanglement"])
    return project


def test_codes_stand_beside_untrained_ones_raw_spectra_and_floors(measured: Path) -> None:
    matrix = load_catalog(measured).load("leakage_matrix")
    controls = set(matrix["control"].fillna(""))
    assert controls == {"", "untrained", "raw", "one_hot"}
    own = matrix[matrix["control"].isna()]
    assert set(own["code"]) == {"content", "rhythm", "pitch"}
    assert {"target", "group", "kind", "room", "duration", "level", "t20"} == set(own["factor"])
    scored = matrix[matrix["score"].notna()]
    assert ((scored["low"] <= scored["high"]) & scored["score"].between(0, 1)).all()
    # What cannot be scored says why.
    assert matrix.loc[matrix["score"].isna(), "reason"].notna().all()


def test_the_summary_has_scores_of_codes_and_controls(measured: Path) -> None:
    summary = load_catalog(measured).load("disentanglement")
    assert set(summary) >= {"block_dci", "sap", "mig", "swap", "controls"}
    assert set(summary["controls"]) == {"untrained", "raw_pca"}
    assert summary["swap"]["by_code"].keys() == {"content"}


@pytest.mark.parametrize(
    ("carried", "message"),
    [
        ({"colour": "content"}, "no factor 'colour'"),
        ({"target": "timbre"}, "no code 'timbre'"),
    ],
)
def test_what_is_not_there_is_named(measured: Path, carried: dict, message: str) -> None:
    params = {"disentanglement": {"carried_by": carried}}
    with pytest.raises(UserError, match=message):
        run_kedro(measured, pipelines=["disentanglement"], params=params)


def test_acoustics_without_middle_bands_give_no_t20(measured: Path) -> None:
    from disentangled_audio.pipelines.disentanglement.nodes import T20, tabulate_factors

    catalog = load_catalog(measured)
    acoustics = catalog.load("acoustic_parameters")
    other = acoustics[[name for name in acoustics if not name.startswith("t20_")]]
    other.attrs.update(acoustics.attrs)
    named = ("waveforms", "recordings", "splits")
    params = [catalog.load(f"params:{name}") for name in ("corpus", "protocol", "views")]
    table = tabulate_factors(*map(catalog.load, named), other, *params)
    assert table[T20].isna().all()
    assert table[T20].dtype == float
