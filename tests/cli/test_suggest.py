"""`disentangled-audio suggest`: what is suggested, what is written, and what is left out."""

import csv
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from disentangled_audio import Classifier
from disentangled_audio.errors import UserError
from tests.calling import call, make_noise
from tests.classified import raw


@pytest.fixture(scope="module")
def recordings(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """New recordings, one of them twice, one that the models know, and one that is none."""
    folder = tmp_path_factory.mktemp("recordings")
    for number in range(6):
        make_noise(folder, f"noise{number}.wav", 0.5 + 0.1 * number, 16000)
    shutil.copy(folder / "noise0.wav", folder / "copy.wav")
    shutil.copy(next(raw(tiny_run).glob("air*.wav")), folder / "known.wav")
    (folder / "bad.wav").write_bytes(b"no audio")
    return folder


def test_the_table_has_ranks_reasons_and_no_labelled_recording(
    tiny_run: Path, recordings: Path, tmp_path: Path
) -> None:
    result = call(tmp_path, "--project", str(tiny_run), "suggest", str(recordings), "--n", "3")
    assert result.exit_code == 0, result.output
    header, *rows = result.stdout.strip().splitlines()
    assert header.split() == ["rank", "file", "class", "confidence", "in_dist", "why"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert all(re.search(r"unsure|unlike|further|less sure", row) for row in rows)
    assert "known.wav" not in result.stdout
    said = " ".join(result.stderr.split())
    assert "Left out because the model's corpus has their labels: 1" in said
    assert "Left out because they are copies of others: 1" in said
    assert "bad.wav' cannot be used: " in said
    assert "Wrote suggested.lof and suggested.txt" in said
    # The list that this command wrote before is replaced.
    again = call(tmp_path, "--project", str(tiny_run), "suggest", str(recordings), "--n", "1")
    assert again.exit_code == 0, again.output
    assert len((tmp_path / "suggested.lof").read_text().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"suggested.lof", "suggested.txt"}


def test_audacity_finds_each_label_below_its_recording(
    tiny_run: Path, recordings: Path, tmp_path: Path
) -> None:
    output = tmp_path / "next.lof"
    result = call(tiny_run, "suggest", str(recordings), "--n", "4", "--output", str(output))
    assert result.exit_code == 0, result.output
    listed = [re.fullmatch(r'file "(.+)" offset (\S+)', line) for line in _lines(output)]
    labels = [line.split("\t") for line in _lines(output.with_suffix(".txt"))]
    assert len(listed) == len(labels) == 4
    end_s = 0.0
    for (path, offset_s), (start_s, label_end_s, text) in zip(
        (match.groups() for match in listed), labels, strict=True
    ):
        assert float(offset_s) == float(start_s) == pytest.approx(end_s)
        end_s = float(label_end_s)
        assert end_s - float(start_s) == pytest.approx(soundfile.info(path).duration, abs=1e-5)
        assert Path(path).name in text
    second = call(tiny_run, "suggest", str(recordings), "--output", str(output))
    assert second.exit_code == 1
    assert "exists already" in second.output


def test_csv_json_audacity_and_python_say_the_same(
    tiny_run: Path, recordings: Path, classifier: Classifier, tmp_path: Path
) -> None:
    table = classifier.suggest(recordings, 5)
    assert table["rank"].tolist() == [1, 2, 3, 4, 5]
    assert table["confidence"].ge(table["second_confidence"]).all()
    for options in (["--json"], ["--format", "json"]):
        rows = json.loads(_answer(tiny_run, recordings, *options))
        assert [row["path"] for row in rows] == table["file"].tolist()
    found = list(csv.DictReader(io.StringIO(_answer(tiny_run, recordings, "--format", "csv"))))
    assert [row["path"] for row in found] == table["file"].tolist()
    assert [row["why"] for row in found] == table["why"].tolist()
    labels = _answer(tiny_run, recordings, "--format", "audacity").splitlines()
    assert [line.split("\t")[2].split("?")[0] for line in labels] == table["class"].tolist()
    written = tmp_path / "next.csv"
    _answer(tiny_run, recordings, "--format", "csv", "--output", str(written))
    assert list(csv.DictReader(io.StringIO(written.read_text()))) == found


def test_names_of_strangers_break_neither_list_nor_table(tiny_run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    names = ['a"b.wav', "c\nd.wav", "=1+1.wav", "e\tf.wav", "plain # 1.wav"]
    for name in names:
        make_noise(folder, name, 0.5, 16000)
    output = tmp_path / "next.lof"
    result = call(tiny_run, "suggest", str(folder), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert len(result.stdout.strip().splitlines()) == 1 + len(names)
    assert sorted(Path(line.split('"')[1]).name for line in _lines(output)) == [
        "=1+1.wav",
        "plain # 1.wav",
    ]
    assert all(line.count("\t") == 2 for line in _lines(output.with_suffix(".txt")))
    assert " ".join(result.stderr.split()).count("Audacity cannot open it from a list") == 3


def test_what_is_unlike_all_known_recordings_is_suggested_before_typical_ones(
    tiny_run: Path, classifier: Classifier, tmp_path: Path
) -> None:
    # Recordings that are nearly those of the corpus, and a tone, which is like none of them.
    for number, path in enumerate(sorted(raw(tiny_run).glob("*rir*.wav"))[:6]):
        samples, rate_hz = soundfile.read(path)
        soundfile.write(tmp_path / f"near{number}.wav", 0.9 * samples, rate_hz)
    time_s = np.arange(16000) / 16000
    soundfile.write(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * 3000 * time_s), 16000)
    first = classifier.suggest(tmp_path, 1).iloc[0]
    assert Path(first["file"]).name == "tone.wav"


def test_nothing_is_left_if_all_recordings_are_labelled(tiny_run: Path, tmp_path: Path) -> None:
    shutil.copy(next(raw(tiny_run).glob("air*.wav")), tmp_path / "known.wav")
    result = call(tiny_run, "suggest", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == []
    assert "There is nothing to suggest" in result.stderr
    shown = call(tmp_path, "--project", str(tiny_run), "suggest", ".")
    assert (shown.exit_code, shown.stdout) == (0, ""), shown.output
    assert [path.name for path in tmp_path.iterdir()] == ["known.wav"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["in", "--n", "0"], 2, "0"),
        (["in", "--format", "raven"], 2, "raven"),
        (["in", "--output", "next.doc"], 2, "must end in"),
        (["in", "--output", "nowhere/next.lof"], 1, "does not exist; make it first"),
        (["in", "--model", "2020"], 1, "no trained run 2020"),
        (["missing"], 1, "does not exist"),
        (["in"], 1, "none of the files can be used"),
        ([], 2, "Missing argument"),
        ([""], 2, "a PATH is empty"),
    ],
)
def test_bad_input_is_answered_by_a_message(
    tiny_run: Path, tmp_path: Path, arguments: list[str], status: int, message: str
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bad.wav").write_bytes(b"no audio")
    result = call(tmp_path, "--project", str(tiny_run), "suggest", *arguments)
    assert result.exit_code == status, result.output
    assert message in " ".join(result.output.split())


@pytest.mark.parametrize("n_files", [0, -1, 2.5])
def test_python_refuses_another_number(
    classifier: Classifier, recordings: Path, n_files: float
) -> None:
    with pytest.raises(UserError, match="one recording or more"):
        classifier.suggest(recordings, n_files)


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def _answer(project: Path, recordings: Path, *options: str) -> str:
    result = call(project, "suggest", str(recordings), "--n", "5", *options)
    assert result.exit_code == 0, result.output
    return result.stdout
