"""Recordings classified by an earlier run: the same answer as then, or a refusal that says why."""

import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from disentangled_audio.errors import UserError
from disentangled_audio.models.tables import feature_table
from disentangled_audio.pipelines.inference.nodes import UNLIKE, _novelty, _novelty_by_kind
from disentangled_audio.runs.trained_runs import trained_runs
from tests.classified import assert_as_then
from tests.classified import classify as _classify
from tests.conftest import TRAINING, load_catalog, run_kedro

MODELS = ("svm", "mel_svm", "timbre_svm", "acoustic_svm", "code_svm", "cnn", "hybrid")


def _raw(project: Path) -> Path:
    return next((project / "data" / "01_raw").iterdir())


@pytest.fixture(scope="module")
def trained(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = tmp_path_factory.mktemp("inference") / "project"
    shutil.copytree(tiny_run, project)
    return project


@pytest.fixture(scope="module")
def predicted(trained: Path) -> pd.DataFrame:
    return _classify(trained, _raw(trained))


@pytest.fixture
def edited_manifest(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Changes the newest manifest, and puts it back afterwards."""
    file = max(trained.glob("data/07_reporting/*/*/run_manifest.json/*/run_manifest.json"))
    content = file.read_text()

    def edit(change: Callable[[dict[str, Any]], None]) -> None:
        manifest = json.loads(content)
        change(manifest)
        file.write_text(json.dumps(manifest))

    yield edit
    file.write_text(content)


def test_files_of_the_corpus_get_the_probabilities_of_then(
    trained: Path, predicted: pd.DataFrame
) -> None:
    predictions = load_catalog(trained).load("predictions")
    assert_as_then(predicted, predictions, MODELS)
    assert predictions.loc[predictions["role"] == "test", "recording_id"].nunique() > 5


def test_the_network_that_was_refitted_is_the_one_that_answers(
    tiny_run: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    shutil.copytree(tiny_run, project)
    refitted = {"disentangler": {"schedule": {"refit_epochs": 1}}}
    run_kedro(project, pipelines=TRAINING, params=refitted)

    catalog = load_catalog(project)
    codes, provisional = catalog.load("codes"), catalog.load("provisional_codes")
    assert not codes.equals(provisional)
    assert catalog.load("training_history")["validation_loss"].isna().tolist()[-2:] == [False, True]
    assert_as_then(_classify(project, _raw(project)), catalog.load("predictions"), MODELS)


def test_a_row_says_class_confidence_likeness_and_acoustics(predicted: pd.DataFrame) -> None:
    classes = [c.removeprefix("p_") for c in predicted if c.startswith("p_")]
    probabilities = predicted[[f"p_{name}" for name in classes]]
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (probabilities.max(axis=1) == predicted["confidence"]).all()
    assert predicted["in_distribution"].between(0, 1).all()
    assert predicted.loc[predicted["kind"] == "rir", "t20_s"].notna().any()
    assert predicted.loc[predicted["kind"] != "rir", "t20_s"].isna().all()
    assert predicted["warnings"].str.contains("the model was trained on").any()


def test_few_rows_of_its_own_corpus_are_unlike(predicted: pd.DataFrame) -> None:
    assert (predicted["in_distribution"] <= UNLIKE).mean() < 0.15
    both = predicted["warnings"].str.contains("trained on") & predicted["warnings"].str.contains(
        "unlike the training"
    )
    assert not both.any()


def test_the_csv_has_the_same_rows(trained: Path, predicted: pd.DataFrame) -> None:
    table = load_catalog(trained).load("inference_predictions_csv")
    assert list(table["path"]) == list(predicted["path"])


def test_parameters_of_today_change_nothing(trained: Path, predicted: pd.DataFrame) -> None:
    today = {
        "fourier": {"n_components": 3, "floor_db": -20.0},
        "views": {"n_mels": 12},
        "corpus": {"analysis": {"duration_s": 0.2, "sample_rate_hz": 8000}},
        "seed": 99,
    }
    changed = _classify(trained, _raw(trained), params=today)
    pd.testing.assert_frame_equal(changed, predicted)


def test_channels_are_taken_as_in_training(
    trained: Path, edited_manifest: Callable[..., None], tmp_path: Path
) -> None:
    """A model of single channels gives each of them a row."""
    file = next(_raw(trained).glob("RVB2014*rir*.wav"))
    samples, rate_hz = soundfile.read(file, dtype="int16", always_2d=True)
    for channel in (0, 2):
        soundfile.write(tmp_path / f"{channel}.wav", samples[:, channel], rate_hz)
    single = _classify(trained, tmp_path / "0.wav", tmp_path / "2.wav")
    edited_manifest(
        lambda manifest: manifest["parameters"]["corpus"]["analysis"].update(channel="each")
    )
    table = _classify(trained, file)
    assert list(table["channel"]) == [str(number) for number in range(samples.shape[1])]
    assert list(table["path"].unique()) == [str(file)]
    columns = [name for name in table if name.startswith("svm_p_")]
    # Noise behind the end differs with the file's bytes.
    np.testing.assert_allclose(
        table.loc[[0, 2], columns].to_numpy(float), single[columns].to_numpy(float), atol=0.05
    )
    assert table[columns].nunique().max() > 1


def test_the_kind_of_recordings_whose_names_say_nothing_can_be_given(
    trained: Path, tmp_path: Path
) -> None:
    samples, rate_hz = soundfile.read(next(_raw(trained).glob("air*.wav")))
    name = "something.wav"
    soundfile.write(tmp_path / name, 0.9 * samples, rate_hz)
    # It says that it is a response.
    named = next(_raw(trained).glob("RVB2014*rir*.wav")).name
    soundfile.write(tmp_path / named, 0.9 * samples, rate_hz)

    def row(kind: str | None, name: str = name) -> pd.Series:
        asked = {"recordings": [str(tmp_path / name)], "kind": kind}
        return _classify(trained, params={"inference": asked}).iloc[0]

    assert row(None)["kind"] == row("rir")["kind"] == "rir"
    assert row("rir")["bandwidth_hz"] == row(None)["bandwidth_hz"] > 0
    assert row("noise")["kind"] == "noise"
    assert np.isnan(row("noise")["bandwidth_hz"])
    assert row("noise", named)["kind"] == "noise"
    own = next(_raw(trained).glob("RVB2014*rir*.wav"))
    assert row("noise", str(own))["kind"] == "rir"
    with pytest.raises(UserError, match=r"kind speech .* those are noise, rir"):
        row("speech")


def test_what_to_do_does_not_name_parameters_that_the_model_decides(
    trained: Path, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "short.wav", [0.1, -0.1, 0.2], 16000)
    soundfile.write(tmp_path / "late.wav", np.append(np.zeros(160000), [0.5, -0.5]), 16000)
    asked = {"recordings": [str(tmp_path)], "kind": "noise"}
    table = _classify(trained, params={"inference": asked})
    assert list(table["error"].str.partition(":")[0]) == [
        *("silent in the first 0.5 s", "too short"),
    ]
    assert list(table["what_to_do"]) == [
        "trim the leading silence",
        "leave the file out; the model was trained on longer ones",
    ]


def test_file_glob_and_zip_name_the_same_recordings(trained: Path, tmp_path: Path) -> None:
    files = sorted(_raw(trained).glob("air*.wav"))[:2]
    archive = tmp_path / "some.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for file in files:
            content.write(file, f"deep/{file.name}")
    tables = [
        _classify(trained, *files),
        _classify(trained, archive),
    ]
    for file in files:
        shutil.copy(file, tmp_path)
    tables.append(_classify(trained, tmp_path / "*.wav"))
    for table in tables[1:]:
        assert list(table["confidence"]) == pytest.approx(list(tables[0]["confidence"]))


def test_bad_files_among_good_ones_are_rows_with_a_reason(trained: Path, tmp_path: Path) -> None:
    shutil.copy(next(_raw(trained).glob("air*.wav")), tmp_path / "good.wav")
    (tmp_path / "bad.wav").write_bytes(b"no audio at all")
    (tmp_path / "empty.wav").touch()
    table = _classify(trained, tmp_path).set_index("path")
    errors = table["error"].to_dict()
    assert "not audio" in errors[str(tmp_path / "bad.wav")]
    assert "empty" in errors[str(tmp_path / "empty.wav")]
    assert table.loc[str(tmp_path / "good.wav"), "class"]
    assert table.loc[str(tmp_path / "bad.wav"), "what_to_do"]


def test_answers_are_in_the_order_in_which_files_are_named(trained: Path, tmp_path: Path) -> None:
    good = next(_raw(trained).glob("air*.wav"))
    for name in ("z.wav", "a.wav"):
        (tmp_path / name).touch()
    named = [tmp_path / "z.wav", good, tmp_path / "a.wav"]
    assert list(_classify(trained, *named)["path"]) == list(map(str, named))


def test_recordings_are_compared_with_those_of_their_kind_where_enough_are_known() -> None:
    rng = np.random.default_rng(0)
    n_rows = 400
    kind = np.array(["rir", "noise"])[np.arange(n_rows) % 2]
    splits = pd.DataFrame(
        {"role": np.array(["train"] * 300 + ["validation"] * 100), "group": range(n_rows)}
    )
    names = pd.Series([f"r{number}" for number in range(n_rows)])
    values = rng.standard_normal((n_rows, 3)) + 20.0 * (kind == "noise")[:, np.newaxis]
    table = feature_table(names, values, "pc")

    def likeness(novelty: dict, name: str) -> np.ndarray:
        of_noise = 20.0 + rng.standard_normal((50, 3))
        return novelty[name].compare([of_noise, of_noise]).in_distribution

    novelty = _novelty_by_kind(kind, splits, table, table, table, 0)
    assert set(novelty) == {"", "rir", "noise"}
    assert (likeness(novelty, "rir") <= UNLIKE).all()
    assert (likeness(novelty, "noise") <= UNLIKE).mean() < 0.2
    assert (likeness(novelty, "") <= UNLIKE).mean() < 0.2
    # Of a kind with few known rows nothing could be called unlike: all are taken.
    rare = np.where(np.arange(n_rows) % 80 == 0, "rir", "noise")
    assert set(_novelty_by_kind(rare, splits, table, table, table, 0)) == {"", "noise"}


def test_a_worker_imports_no_more_than_it_needs(trained: Path) -> None:
    """Each pays for its imports before its first recording."""
    manifest = max(trained.glob("data/07_reporting/*/*/run_manifest.json/*/run_manifest.json"))
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from disentangled_audio.corpora.sources.folder import File\n"
        "from disentangled_audio.models.preparation import FeatureReader, Preprocessing\n"
        "manifest, recording = map(Path, sys.argv[1:])\n"
        "own = Preprocessing.of_run(json.loads(manifest.read_text()))\n"
        "features = FeatureReader(own, {})((0, [File(recording, recording.name)]))\n"
        "print(json.dumps([len(features.rows), [m for m in sys.modules if '.' not in m]]))"
    )
    recording = next(_raw(trained).rglob("*.wav"))
    shown = subprocess.run(
        [sys.executable, "-c", code, manifest, recording],
        capture_output=True,
        text=True,
        check=True,
    )
    n_rows, loaded = json.loads(shown.stdout)
    assert n_rows > 0
    assert set(loaded).isdisjoint({"tensorflow", "sklearn", "pandas", "zarr", "requests", "kedro"})


def test_only_bad_files_are_a_table_too(
    trained: Path, predicted: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"no audio at all")
    table = _classify(trained, tmp_path)
    assert list(table["error"].notna()) == [True]
    assert list(table) == list(predicted)
    # The hybrid's probabilities are there once.
    assert not [name for name in table if name.startswith("hybrid_p_")]


def test_what_is_unlike_training_is_warned_of(trained: Path, tmp_path: Path) -> None:
    time_s = np.arange(12000) / 44100
    tone = np.sign(np.sin(2 * np.pi * 3000 * time_s))
    soundfile.write(tmp_path / "tone.wav", np.stack([tone] * 3, axis=1), 44100)
    row = _classify(trained, tmp_path / "tone.wav").iloc[0]
    for text in ("at full scale: perhaps clipped", "shorter than", "44100 Hz", "3 channels"):
        assert text in row["warnings"]
    assert row["distance"] > 1.5


def test_a_recording_that_was_scaled_to_full_scale_is_not_called_clipped(
    trained: Path, tmp_path: Path
) -> None:
    samples, rate_hz = soundfile.read(next(_raw(trained).glob("RVB2014*rir*.wav")))
    loud = samples / np.abs(samples).max()
    soundfile.write(tmp_path / "scaled.wav", loud, rate_hz, subtype="PCM_24")
    soundfile.write(tmp_path / "clipped.wav", np.clip(100 * loud, -1, 1), rate_hz)
    warnings = _classify(trained, tmp_path).set_index("path")["warnings"]
    assert "clipped" not in warnings[str(tmp_path / "scaled.wav")]
    assert "clipped" in warnings[str(tmp_path / "clipped.wav")]


def test_another_file_than_the_manifest_names_is_refused(
    trained: Path, edited_manifest: Callable[..., None]
) -> None:
    edited_manifest(lambda manifest: manifest["file_sha256"].update(svm="0" * 64))
    with pytest.raises(UserError, match=r"'svm' is not the file.*SHA-256.*000"):
        _classify(trained, _raw(trained))


def test_other_code_than_the_training_had_is_told(
    trained: Path, edited_manifest: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    file = next(_raw(trained).glob("air*.wav"))
    first = _classify(trained, file)
    assert "has changed since" not in caplog.text
    edited_manifest(lambda manifest: manifest.update(feature_code="0" * 64))
    pd.testing.assert_frame_equal(_classify(trained, file), first)
    assert "the code that computes features has changed since" in caplog.text


def test_another_feature_schema_is_refused(
    trained: Path, edited_manifest: Callable[..., None]
) -> None:
    edited_manifest(lambda manifest: manifest["feature_schema"].update(log_mel=[7, 7]))
    with pytest.raises(UserError, match=r"feature schema of 'log_mel'.*7 × 7"):
        _classify(trained, _raw(trained))


def test_another_major_version_of_a_package_is_refused(
    trained: Path, edited_manifest: Callable[..., None]
) -> None:
    edited_manifest(lambda manifest: manifest["packages"].update(numpy="99.1.0"))
    with pytest.raises(UserError, match=r"numpy 99\.1\.0, installed is \d"):
        _classify(trained, _raw(trained))


def test_models_in_a_store_are_hashed_used_and_compared(trained: Path, tmp_path: Path) -> None:
    """README's own example of `conf/local/catalog.yml`, with the store in memory."""
    import fsspec

    from disentangled_audio.pipeline_registry import register_pipelines
    from disentangled_audio.runs.manifest import manifest as manifest_of

    project = tmp_path / "project"
    shutil.copytree(trained, project)
    (file,) = project.glob("data/*/*/*/codes.parquet/*/codes.parquet")
    content = file.read_bytes()
    shutil.rmtree(file.parents[1])
    store = fsspec.filesystem("memory")
    stored = f"/codes.parquet/{file.parent.name}/codes.parquet"
    store.pipe(stored, content)
    entry = {
        "type": "disentangled_audio.datasets.parquet_dataset.ParquetDataset",
        "filepath": "memory:///codes.parquet",
        "versioned": True,
    }
    (project / "conf" / "test" / "catalog.yml").write_text(json.dumps({"codes": entry}))
    manifest = load_catalog(project).load("run_manifest")
    facts = manifest_of({}, register_pipelines()["__default__"], load_catalog(project))
    assert facts["file_sha256"] == manifest["file_sha256"]
    assert _classify(project, next(_raw(project).glob("air*.wav")))["class"].notna().all()
    store.pipe(stored, content + b"more")
    with pytest.raises(UserError, match=r"'codes' is not the file.*memory:///codes"):
        _classify(project, _raw(project))


def test_a_newer_run_of_some_pipelines_is_no_trained_run(trained: Path) -> None:
    """As of `--pipelines=feature_engineering,svm_classification`: it has a hybrid of its own."""
    complete = max(trained.glob("data/07_reporting/*/*/run_manifest.json/*/run_manifest.json"))
    version = "2126-01-31T12.00.00.000Z"
    manifest = json.loads(complete.read_text())
    made = manifest["dataset_versions"]
    partial = {k: version for k in made if k not in ("disentangler", "waveforms")}
    newer = complete.parents[1] / version / complete.name
    newer.parent.mkdir()
    newer.write_text(json.dumps({**manifest, "run_id": version, "dataset_versions": partial}))
    try:
        found = [run.version for run in trained_runs(trained / "data")]
        table = _classify(trained, next(_raw(trained).glob("air*.wav")))
    finally:
        shutil.rmtree(newer.parent)
    assert found == [complete.parent.name]
    assert list(table["model_version"].unique()) == found


@pytest.mark.parametrize("text", ["[]", '"text"', "{}", "{", '{"run_id": 3}'])
def test_what_is_no_manifest_is_left_out_by_name(
    trained: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    complete = max(trained.glob("data/07_reporting/*/*/run_manifest.json/*/run_manifest.json"))
    newer = complete.parents[1] / "2126-01-31T12.00.00.000Z" / complete.name
    newer.parent.mkdir()
    newer.write_text(text)
    try:
        found = [run.version for run in trained_runs(trained / "data")]
    finally:
        shutil.rmtree(newer.parent)
    assert found == [complete.parent.name]
    assert f"{newer} is left out" in caplog.text


def _without_provisional_codes(manifest: dict[str, Any]) -> None:
    for part in ("dataset_versions", "file_sha256"):
        del manifest[part]["provisional_codes"]


@pytest.mark.parametrize(
    "lacking", [lambda manifest: manifest.pop("file_sha256"), _without_provisional_codes]
)
def test_a_manifest_of_an_older_version_says_that_the_run_must_be_repeated(
    trained: Path, edited_manifest: Callable[..., None], lacking: Callable[..., None]
) -> None:
    edited_manifest(lacking)
    with pytest.raises(UserError, match=r"of an older version.*kedro run"):
        _classify(trained, _raw(trained))


def test_a_model_of_another_corpus_is_named_with_its_corpus(trained: Path) -> None:
    own = max(trained.glob("data/07_reporting/*/*/run_manifest.json/*/"))
    other = trained / "data/07_reporting/birds/by_folder/run_manifest.json/2026-01-31T12.00.00.000Z"
    shutil.copytree(own, other)
    with pytest.raises(UserError, match=r"corpus 'birds' with protocol 'by_folder'"):
        _classify(
            trained,
            params={
                "inference": {"recordings": [str(trained)], "model_version": other.name},
            },
        )


@pytest.mark.parametrize(
    ("place", "message"),
    [("nothing.wav", "does not exist"), ("*.nothing", "matches nothing"), (".", "no recording")],
)
def test_a_place_without_recordings_is_named(
    trained: Path, tmp_path: Path, place: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        _classify(trained, tmp_path / place)


def test_inference_runs_by_itself(trained: Path) -> None:
    with pytest.raises(UserError, match="by itself"):
        run_kedro(trained, pipelines=["inference", "reporting"])


def test_what_is_usual_is_told_by_encoders_that_have_not_seen_validation_rows() -> None:
    """Codes of rows that were trained on lie close to their class, those of others further off."""
    rng = np.random.default_rng(0)
    splits = pd.DataFrame({"role": ["train"] * 60 + ["validation"] * 60, "group": range(120)})
    names = pd.Series([f"r{number}" for number in range(len(splits))])
    classes = np.eye(3)

    def codes(n_rows: int, spread: float) -> np.ndarray:
        return classes[np.arange(n_rows) % 3] + spread * rng.standard_normal((n_rows, 3))

    training, new = codes(60, 0.01), codes(40, 0.1)
    kept, first = (
        feature_table(names, np.concatenate([training, codes(60, spread)]), "content")
        for spread in (0.01, 0.1)
    )
    silent = feature_table(names, np.zeros((120, 1)), "pc")

    def n_unusual(provisional: pd.DataFrame) -> int:
        novelty = _novelty(splits, silent, kept, provisional, 0)
        compared = novelty.compare([np.zeros((40, 1)), new])
        return int((compared.in_distribution <= UNLIKE).sum())

    assert n_unusual(kept) > 30
    assert n_unusual(first) < 5
