"""The leakage of codes is measured beside controls, from saved results."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import DisentanglementParameters
from disentangled_audio.pipelines.disentanglement.nodes import measure_disentanglement
from tests.conftest import load_catalog, run_kedro


def test_codes_are_scored_beside_untrained_ones_raw_spectra_and_one_hot_floors(
    measured_run: Path,
) -> None:
    matrix = load_catalog(measured_run).load("leakage_matrix")
    controls = set(matrix["control"].fillna(""))
    assert controls == {"", "untrained", "raw", "one_hot"}
    own = matrix[matrix["control"].isna()]
    assert set(own["code"]) == {"content", "rhythm", "pitch"}
    assert {"target", "group", "kind", "room", "duration", "level", "t20"} == set(own["factor"])
    scored = matrix[matrix["score"].notna()]
    assert ((scored["low"] <= scored["high"]) & scored["score"].between(0, 1)).all()
    # What cannot be scored says why.
    assert matrix.loc[matrix["score"].isna(), "reason"].notna().all()


def test_the_summary_has_scores_of_codes_and_controls(measured_run: Path) -> None:
    summary = load_catalog(measured_run).load("disentanglement")
    assert set(summary) >= {"block_dci", "sap", "mig", "swap", "controls"}
    assert set(summary["controls"]) == {"untrained", "raw_pca"}
    assert summary["swap"]["by_code"].keys() == {"content"}


@pytest.fixture
def inputs(measured_run: Path) -> dict[str, Any]:
    """What the measurement takes, by name, but the seed."""
    catalog = load_catalog(measured_run)
    names = ("codes", "loudest_codes", "untrained_codes", "disentangler", "log_mel", "factor_table")
    names += ("splits", "recordings", "params:disentanglement")
    return {name: catalog.load(name) for name in names}


def test_probes_know_which_rows_are_unseen_and_which_share_a_file(
    inputs: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from disentangled_audio.evaluation.representation import block_scores, leakage

    recordings, role = inputs["recordings"], inputs["factor_table"]["role"]
    # As if two rows each were channels of a file.
    recordings["path"] = [f"file{number // 2}" for number in range(len(recordings))]
    used = inputs["splits"]["role"].isin(["train", "validation", "test"]).to_numpy()
    given = []
    for module, name in ((leakage, "leakage_matrix"), (block_scores, "block_scores")):
        whole = getattr(module, name)

        def spy(*args: Any, whole: Any = whole, **kwargs: Any) -> Any:
            given.append(kwargs)
            return whole(*args, **kwargs)

        monkeypatch.setattr(module, name, spy)
    summary = measure_disentanglement(*inputs.values(), 7)[2]
    assert len(given) == 4
    for kwargs in given:
        assert list(kwargs["unit"]) == list(recordings.loc[used, "path"])
        assert list(kwargs["unseen"]) == list(role == "test")
    assert summary["rows"] in ("unseen", "all")


def test_a_factor_that_is_not_there_is_named(inputs: dict[str, Any]) -> None:
    inputs["params:disentanglement"] = DisentanglementParameters(carried_by={"colour": "content"})
    with pytest.raises(UserError, match="no factor 'colour'"):
        measure_disentanglement(*inputs.values(), 7)


@pytest.mark.slow
def test_attributes_of_a_missing_code_are_left_out_with_a_reason(
    measured_run: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(measured_run, tmp_path / "project"))
    carried = {"target": "content", "t20": "timbre"}
    run_kedro(
        project,
        pipelines=["disentanglement"],
        params={"disentanglement": {"carried_by": carried}},
    )
    catalog = load_catalog(project)
    swaps = catalog.load("swaps")
    left_out = swaps[swaps["attribute"] == "t20"]
    assert list(left_out["reason"]) == ["the model has no code 'timbre'"]
    assert left_out["share"].isna().all()
    assert swaps.loc[swaps["attribute"] == "target", "share"].notna().all()
    assert catalog.load("disentanglement")["not_carried"] == {"t20": "timbre"}
    examples = catalog.load("swap_examples")
    assert "attribute_target" in examples
    assert "attribute_t20" not in examples


@pytest.mark.slow
def test_everything_else_is_measured_without_a_code_to_swap(
    measured_run: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(measured_run, tmp_path / "project"))
    params = {"disentanglement": {"carried_by": {"target": "timbre"}}}
    run_kedro(project, pipelines=["disentanglement"], params=params)
    catalog = load_catalog(project)
    assert catalog.load("leakage_matrix")["score"].notna().any()
    summary = catalog.load("disentanglement")
    assert summary["block_dci"] is None
    assert summary["swap"]["moved"] is None
    examples = catalog.load("swap_examples")
    assert examples.empty
    assert "no code" in examples.attrs["reason"]
    assert catalog.load("swap_audio").shape[0] == 0
    assert catalog.exists("swap_plot")


def test_acoustics_without_middle_bands_give_no_t20(measured_run: Path) -> None:
    from disentangled_audio.pipelines.feature_engineering.nodes import measure_factors

    catalog = load_catalog(measured_run)
    acoustics = catalog.load("acoustic_parameters")
    other = acoustics[[name for name in acoustics if not name.startswith("t20_")]]
    other.attrs.update(acoustics.attrs)
    waveforms, recordings = catalog.load("waveforms"), catalog.load("recordings")
    names = ("params:corpus", "params:views", "feature_chunks", "params:parallel")
    table = measure_factors(waveforms, recordings, other, *map(catalog.load, names))
    assert table["t20"].isna().all()
    assert table["t20"].dtype == float


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "codes"),
    [
        ("triple_bottleneck", {"content", "rhythm", "pitch"}),
        ("adversarial", {"content", "pitch"}),
    ],
)
def test_the_baselines_are_refitted_and_have_the_same_reports(
    measured_run: Path, tmp_path: Path, method: str, codes: set[str]
) -> None:
    project = Path(shutil.copytree(measured_run, tmp_path / "project"))
    asked = {
        "method": method,
        "head": {"codes": ["content", "rhythm"]},
        "schedule": {"refit_epochs": 1},
    }
    run_kedro(
        project,
        pipelines=["representation_learning", "disentanglement"],
        params={"disentangler": asked},
    )
    catalog = load_catalog(project)
    assert not catalog.load("codes").equals(catalog.load("provisional_codes"))
    matrix = catalog.load("leakage_matrix")
    for control in (None, "untrained"):
        rows = matrix[matrix["control"].isna() if control is None else matrix["control"] == control]
        assert set(rows["code"]) == codes
        assert rows["score"].notna().any()
    assert set(catalog.load("disentanglement")["swap"]["by_code"]) == {"content"}
    assert len(catalog.load("codes").columns) > len(codes)
    assert catalog.exists("swap_plot")
