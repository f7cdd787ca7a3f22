"""`Classifier`: predictions for files and arrays, and refused inputs."""

import copy
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from scipy.io import wavfile

from disentangled_audio import Classifier
from disentangled_audio.errors import UserError
from disentangled_audio.models.reference import UNLIKE, fit_novelty, novelty_by_kind
from disentangled_audio.models.tables import feature_table
from disentangled_audio.runs.trained_runs import TrainedRun, find_run, trained_runs
from tests.classified import newest_manifest, raw
from tests.conftest import load_catalog


@pytest.fixture(scope="module")
def run(tiny_run: Path) -> TrainedRun:
    return find_run(tiny_run / "data")


@pytest.fixture(scope="module")
def predicted(classifier: Classifier, tiny_run: Path) -> pd.DataFrame:
    return classifier.predict(raw(tiny_run))


def _changed(run: TrainedRun, change: Callable[[dict[str, Any]], Any]) -> TrainedRun:
    manifest = copy.deepcopy(run.manifest)
    change(manifest)
    return replace(run, manifest=manifest)


def test_importing_the_package_is_fast_and_a_bundle_needs_no_kedro(
    bundle: Path, tiny_run: Path, tmp_path: Path
) -> None:
    code = (
        "import sys\n"
        "import disentangled_audio\n"
        "heavy = {'kedro', 'tensorflow', 'keras', 'pandas', 'numpy', 'sklearn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "classifier = disentangled_audio.Classifier.load(sys.argv[1])\n"
        "table = classifier.predict([sys.argv[2]])\n"
        "assert 'kedro' not in sys.modules\n"
        "print(table['class'][0], *classifier.classes)\n"
    )
    recording = next(raw(tiny_run).glob("air*.wav"))
    # Where there is neither a project nor conf.
    shown = subprocess.run(
        [sys.executable, "-c", code, bundle, recording],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.split() == ["air", "RVB2014", "RWCP", "air"]
    assert not list(tmp_path.iterdir())


def test_a_row_has_class_confidence_novelty_and_acoustics(
    classifier: Classifier, predicted: pd.DataFrame
) -> None:
    first = ["file", "channel", "kind", "start_s", "end_s", "duration_s", "class", "confidence"]
    assert list(predicted)[:8] == first
    probabilities = predicted[[f"p_{name}" for name in classifier.classes]]
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1)
    assert (probabilities.max(axis=1) == predicted["confidence"]).all()
    assert predicted["in_distribution"].between(0, 1).all()
    assert predicted.loc[predicted["kind"] == "rir", "t20_s"].notna().any()
    assert predicted.loc[predicted["kind"] != "rir", "t20_s"].isna().all()
    trained = predicted["warnings"].str.contains("the model was trained on")
    assert trained.any()
    # Few rows of its own corpus are unlike, and none of those that it was trained on.
    assert (predicted["in_distribution"] <= UNLIKE).mean() < 0.15
    assert not predicted.loc[trained, "warnings"].str.contains("unlike the training").any()
    # The hybrid's probabilities are there once.
    assert not [name for name in predicted if name.startswith("hybrid_p_")]


def test_codes_are_those_of_the_training_run(
    classifier: Classifier, tiny_run: Path, tmp_path: Path
) -> None:
    then = load_catalog(tiny_run).load("codes").set_index("recording_id")
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    table = classifier.codes([raw(tiny_run), tmp_path])
    times = ["start_s", "end_s"]
    assert list(table) == ["file", "channel", *times, *then, "error", "what_to_do"]
    assert table["error"].notna().tolist() == [False] * len(then) + [True]
    by_name = {Path(name).name: row for name, row in then.iterrows()}
    for row in table[:-1].itertuples():
        own = [getattr(row, column) for column in then]
        np.testing.assert_allclose(own, by_name[Path(row.file).name], atol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "n_channels", "n_samples"),
    [
        *(("float32", 1, 3000), ("float64", 3, 3000), ("int16", 1, 12000)),
        *(("int32", 3, 12000), ("uint8", 1, 3000)),
    ],
)
def test_an_array_is_classified_as_a_file_of_its_samples(
    classifier: Classifier, tmp_path: Path, dtype: str, n_channels: int, n_samples: int
) -> None:
    values = np.random.default_rng(0).normal(0, 0.1, (n_samples, n_channels)).clip(-1, 1)
    if dtype == "uint8":
        samples = np.round(127 * values + 128).astype(np.uint8)
    else:
        scale = np.iinfo(dtype).max if dtype.startswith("int") else 1
        samples = (scale * values).astype(dtype)
    stored = samples.astype(np.float32) if dtype == "float64" else samples
    if n_channels == 1:
        samples, stored = samples[:, 0], stored[:, 0]
    wavfile.write(tmp_path / "a.wav", 22050, stored)
    of_file = classifier.predict(tmp_path / "a.wav").drop(columns="file")
    of_array = classifier.predict_array(samples, 22050)
    assert list(of_array["file"]) == ["array"]
    pd.testing.assert_frame_equal(of_array.drop(columns="file"), of_file, check_exact=True)


LOUD = np.random.default_rng(0).normal(0, 0.1, 16000)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "message"),
    [
        (np.where(np.arange(16000) == 5, np.nan, LOUD), 16000, "NaN, infinity"),
        (np.where(np.arange(16000) == 5, np.inf, LOUD), 16000, "NaN, infinity"),
        (1e300 * LOUD, 16000, "beyond float32"),
        (np.zeros(0), 16000, r"shape \(0,\)"),
        (np.zeros((0, 2)), 16000, "not empty"),
        (np.zeros((2, 2, 2)), 16000, r"\(n_samples, n_channels\)"),
        (np.float64(0.5), 16000, "not a NumPy array"),
        ([0.1, 0.2], 16000, "list, not a NumPy array"),
        (LOUD[:5], 16000, "too short"),
        (np.zeros(16000), 16000, "silent"),
        (LOUD.reshape(1, -1), 16000, r"samples\.T"),
        (LOUD.astype(complex), 16000, "complex128"),
        (LOUD.astype("int64"), 16000, "int64"),
        (LOUD > 0, 16000, "bool"),
        (LOUD.astype(object), 16000, "object"),
        (LOUD.astype(str), 16000, "<U"),
        (LOUD, 0, "sample_rate_hz=0"),
        (LOUD, 10, "10 Hz"),
        (LOUD, 16000.5, "sample_rate_hz=16000.5"),
        (LOUD, "16000", "not an integer"),
        (LOUD, 2**40, "is not possible"),
    ],
)
def test_invalid_arrays_are_refused(
    classifier: Classifier, samples: Any, rate_hz: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        classifier.predict_array(samples, rate_hz)


def test_channels_are_taken_as_in_training(run: TrainedRun, tiny_run: Path, tmp_path: Path) -> None:
    """A model of single channels gives each of them a row."""
    file = next(raw(tiny_run).glob("RVB2014*rir*.wav"))
    samples, rate_hz = soundfile.read(file, dtype="int16", always_2d=True)
    for channel in (0, 2):
        soundfile.write(tmp_path / f"{channel}.wav", samples[:, channel], rate_hz)
    each = _changed(run, lambda m: m["parameters"]["corpus"]["analysis"].update(channel="each"))
    classifier = Classifier.of_run(each)
    single = classifier.predict([tmp_path / "0.wav", tmp_path / "2.wav"])
    table = classifier.predict(file)
    assert list(table["channel"]) == [str(number) for number in range(samples.shape[1])]
    assert list(table["file"].unique()) == [str(file)]
    columns = [name for name in table if name.startswith("svm_p_")]
    # Noise behind the end differs with the file's bytes.
    np.testing.assert_allclose(
        table.loc[[0, 2], columns].to_numpy(float), single[columns].to_numpy(float), atol=0.05
    )
    assert table[columns].nunique().max() > 1


def test_the_kind_of_recordings_can_be_given(
    classifier: Classifier, tiny_run: Path, tmp_path: Path
) -> None:
    samples, rate_hz = soundfile.read(next(raw(tiny_run).glob("air*.wav")))
    soundfile.write(tmp_path / "something.wav", 0.9 * samples, rate_hz)
    # It says that it is a response.
    own = next(raw(tiny_run).glob("RVB2014*rir*.wav"))
    soundfile.write(tmp_path / own.name, 0.9 * samples, rate_hz)

    def row(kind: str | None, file: Path = tmp_path / "something.wav") -> pd.Series:
        return classifier.predict(file, kind=kind).iloc[0]

    assert row(None)["kind"] == row("rir")["kind"] == "rir"
    assert row("rir")["bandwidth_hz"] == row(None)["bandwidth_hz"] > 0
    assert row("noise")["kind"] == "noise"
    assert np.isnan(row("noise")["bandwidth_hz"])
    assert row("noise", tmp_path / own.name)["kind"] == "noise"
    assert row("noise", own)["kind"] == "rir"
    with pytest.raises(UserError, match=r"kind 'speech'; .* trained on noise, rir"):
        row("speech")


def test_file_glob_zip_and_folder_name_the_same_recordings(
    classifier: Classifier, tiny_run: Path, tmp_path: Path
) -> None:
    files = sorted(raw(tiny_run).glob("air*.wav"))[:2]
    archive = tmp_path / "some.zip"
    with zipfile.ZipFile(archive, "w") as content:
        for file in files:
            content.write(file, f"deep/{file.name}")
            shutil.copy(file, tmp_path)
    first = classifier.predict(files)
    for places in (archive, str(tmp_path / "*.wav"), [tmp_path]):
        table = classifier.predict(places)
        assert list(table["confidence"]) == list(first["confidence"])


def test_bad_files_are_rows_with_a_reason_in_the_given_order(
    classifier: Classifier, predicted: pd.DataFrame, tiny_run: Path, tmp_path: Path
) -> None:
    good = next(raw(tiny_run).glob("air*.wav"))
    (tmp_path / "bad.wav").write_bytes(b"no audio at all")
    (tmp_path / "empty.wav").touch()
    soundfile.write(tmp_path / "short.wav", [0.1, -0.1, 0.2], 16000)
    soundfile.write(tmp_path / "late.wav", np.append(np.zeros(160000), [0.5, -0.5]), 16000)
    named = [tmp_path / "short.wav", tmp_path / "late.wav", good]
    named += [tmp_path / "bad.wav", tmp_path / "empty.wav"]
    table = classifier.predict(named, kind="noise")
    assert list(table["file"]) == list(map(str, named))
    assert list(table["error"].str.partition(":")[0].fillna("")) == [
        *("too short", "", ""),
        *("not audio that can be decoded", "the file is empty"),
    ]
    # Parameters that the model decides are not named.
    advice = "leave the file out; the model was trained on longer ones"
    assert table["what_to_do"][0] == advice
    # Only the end of this one has sound.
    assert table["start_s"][1] == pytest.approx(160002 / 16000 - 0.5)
    # Columns are the same whatever the files are.
    assert list(classifier.predict(tmp_path / "bad.wav")) == list(predicted)


def test_unusual_recordings_get_warnings(classifier: Classifier) -> None:
    time_s = np.arange(12000) / 44100
    tone = np.sign(np.sin(2 * np.pi * 3000 * time_s))
    table = classifier.predict_array(np.stack([tone[:9000]] * 3, axis=1), 44100)
    row = table.iloc[0]
    for text in ("at full scale: perhaps clipped", "less than half"):
        assert text in row["warnings"]
    assert [remark.partition(" (")[0] for remark in table.attrs["remarks"]] == [
        "1 of 1 files: 44100 Hz",
        "1 of 1 files: 3 channels",
    ]
    assert row["distance"] > 1.5


def test_a_recording_that_was_scaled_to_full_scale_is_not_called_clipped(
    classifier: Classifier, tiny_run: Path
) -> None:
    samples, rate_hz = soundfile.read(next(raw(tiny_run).glob("RVB2014*rir*.wav")))
    loud = samples / np.abs(samples).max()
    for values, expected in ((loud, False), (np.clip(100 * loud, -1, 1), True)):
        (said,) = classifier.predict_array(values, rate_hz)["warnings"]
        assert ("clipped" in said) == expected


@pytest.mark.parametrize(
    ("place", "message"),
    [("nothing.wav", "does not exist"), ("*.nothing", "matches nothing"), (".", "no recording")],
)
def test_a_place_without_recordings_is_named(
    classifier: Classifier, tmp_path: Path, place: str, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        classifier.predict(tmp_path / place)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        ([], "the list of paths is empty"),
        ("", "paths: a name is empty"),
        (None, "paths: NoneType is not the name"),
        (LOUD, "paths: float64 is not the name .* predict_array takes samples"),
    ],
)
def test_invalid_paths_are_refused(classifier: Classifier, paths: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        classifier.predict(paths)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda manifest: manifest["file_sha256"].update(svm="0" * 64),
            r"'svm' is not the file.*SHA-256.*000",
        ),
        (
            lambda manifest: manifest["files"].update(svm="data/none.skops"),
            r"data/none\.skops is missing",
        ),
        (
            lambda manifest: manifest["packages"].update(numpy="99.1.0"),
            r"numpy 99\.1\.0, but \d",
        ),
    ],
)
def test_changed_models_are_refused(
    run: TrainedRun, change: Callable[..., Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Classifier.of_run(_changed(run, change))


def test_another_feature_schema_is_refused(run: TrainedRun) -> None:
    changed = _changed(run, lambda manifest: manifest["feature_schema"].update(log_mel=[7, 7]))
    with pytest.raises(UserError, match=r"feature schema of 'log_mel'.*7 × 7"):
        Classifier.of_run(changed).predict_array(LOUD, 16000)


def test_changed_feature_code_is_logged(
    run: TrainedRun, classifier: Classifier, caplog: pytest.LogCaptureFixture
) -> None:
    changed = Classifier.of_run(_changed(run, lambda manifest: manifest.update(feature_code="0")))
    assert "the code that computes features has changed since" in caplog.text
    first = classifier.predict_array(LOUD, 16000)
    pd.testing.assert_frame_equal(changed.predict_array(LOUD, 16000), first)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"version": "2020"}, "no trained run 2020"),
        ({"corpus": "birds"}, "no model of corpus 'birds'"),
        ({"protocol": "by_x"}, "no model of protocol 'by_x'"),
        ({"fold": "theo"}, "no fold 'theo'"),
    ],
)
def test_an_unknown_model_is_named(tiny_run: Path, chosen: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Classifier.load(tiny_run, **chosen)


def test_a_folder_without_models_says_how_to_train(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no model is trained yet: .*data does not exist"):
        Classifier.load(tmp_path)
    with pytest.raises(UserError, match=r"nothing\.zip does not exist"):
        Classifier.load(tmp_path / "nothing.zip", version="2020")
    (tmp_path / "a.wav").touch()
    with pytest.raises(UserError, match="neither a project's folder nor a bundle"):
        Classifier.load(tmp_path / "a.wav")
    with pytest.raises(UserError, match="path: NoneType is not the name"):
        Classifier.load(None)


def test_a_run_is_loaded_by_its_folder_and_a_fold_by_its_name(
    tiny_run: Path, classifier: Classifier, tmp_path: Path
) -> None:
    folder = newest_manifest(tiny_run).parent
    (said,) = Classifier.load(folder).predict_array(LOUD, 16000)["confidence"]
    assert [said] == list(classifier.predict_array(LOUD, 16000)["confidence"])
    with pytest.raises(UserError, match="leave out version, which selects from a project"):
        Classifier.load(folder, version="2020")

    project = tmp_path / "project"
    shutil.copytree(tiny_run / "data", project / "data", ignore=shutil.ignore_patterns("01_raw"))
    whole = newest_manifest(project)
    of_fold = whole.parents[2] / "theo" / Path(*whole.parts[-3:])
    of_fold.parents[1].mkdir(parents=True)
    whole.parent.rename(of_fold.parent)
    assert find_run(project / "data", fold="theo").fold == "theo"
    assert Classifier.load(project, fold="theo").classes == classifier.classes
    with pytest.raises(UserError, match=r"only folds of a cross-validation.*theo"):
        Classifier.load(project)
    # A version that only one fold has is enough.
    assert find_run(project / "data", whole.parent.name).project == project


@pytest.fixture(scope="module")
def copied(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run without its recordings, to write beside it."""
    ignored = shutil.ignore_patterns("01_raw")
    return Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("copied") / "p", ignore=ignored))


def test_a_newer_run_of_some_pipelines_does_not_count_as_trained(copied: Path) -> None:
    """As of `--pipelines=feature_engineering,svm_classification`: it has a hybrid of its own."""
    complete = newest_manifest(copied)
    version = "2126-01-31T12.00.00.000Z"
    manifest = json.loads(complete.read_text())
    made = manifest["dataset_versions"]
    partial = {k: version for k in made if k not in ("disentangler", "waveforms")}
    newer = complete.parents[1] / version / complete.name
    newer.parent.mkdir()
    del manifest["files"]
    newer.write_text(json.dumps({**manifest, "run_id": version, "dataset_versions": partial}))
    try:
        found = [run.version for run in trained_runs(copied / "data")]
    finally:
        shutil.rmtree(newer.parent)
    assert found == [complete.parent.name]


@pytest.mark.parametrize("text", ["[]", '"text"', "{}", "{", '{"run_id": 3}'])
def test_invalid_manifests_are_skipped_with_a_warning(
    copied: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    complete = newest_manifest(copied)
    newer = complete.parents[1] / "2126-01-31T12.00.00.000Z" / complete.name
    newer.parent.mkdir()
    newer.write_text(text)
    try:
        found = [run.version for run in trained_runs(copied / "data")]
    finally:
        shutil.rmtree(newer.parent)
    assert found == [complete.parent.name]
    assert f"{newer} is ignored" in caplog.text


def test_a_worker_imports_no_more_than_it_needs(tiny_run: Path) -> None:
    """Each pays for its imports before its first recording."""
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from disentangled_audio.corpora.sources.folder import File\n"
        "from disentangled_audio.models.hearing import Heard\n"
        "from disentangled_audio.models.preparation import FeatureReader, Preprocessing\n"
        "manifest, recording = map(Path, sys.argv[1:])\n"
        "own = Preprocessing.of_run(json.loads(manifest.read_text()))\n"
        "heard = Heard(File(recording, recording.name))\n"
        "features = FeatureReader(own, {})((0, [heard]))\n"
        "print(json.dumps([len(features.rows), [m for m in sys.modules if '.' not in m]]))"
    )
    recording = next(raw(tiny_run).rglob("*.wav"))
    shown = subprocess.run(
        [sys.executable, "-c", code, newest_manifest(tiny_run), recording],
        capture_output=True,
        text=True,
        check=True,
    )
    n_rows, loaded = json.loads(shown.stdout)
    assert n_rows > 0
    assert set(loaded).isdisjoint({"tensorflow", "sklearn", "pandas", "zarr", "requests", "kedro"})


def test_recordings_are_compared_with_those_of_their_kind_if_there_are_enough() -> None:
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

    novelty = novelty_by_kind(kind, splits, table, table, table, 0)
    assert set(novelty) == {"", "rir", "noise"}
    assert (likeness(novelty, "rir") <= UNLIKE).all()
    assert (likeness(novelty, "noise") <= UNLIKE).mean() < 0.2
    assert (likeness(novelty, "") <= UNLIKE).mean() < 0.2
    # Of a kind with few known rows nothing could be called unlike: all are taken.
    rare = np.where(np.arange(n_rows) % 80 == 0, "rir", "noise")
    assert set(novelty_by_kind(rare, splits, table, table, table, 0)) == {"", "noise"}


def test_novelty_of_codes_uses_encoders_that_have_not_seen_validation_rows() -> None:
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
        novelty = fit_novelty(splits, silent, kept, provisional, 0)
        compared = novelty.compare([np.zeros((40, 1)), new])
        return int((compared.in_distribution <= UNLIKE).sum())

    assert n_unusual(kept) > 30
    assert n_unusual(first) < 5
