"""`disentangled-audio init-corpus`: classes, groups and shortcuts of a stranger's folder."""

import os
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project

from disentangled_audio.cli.kedro_commands import cli
from disentangled_audio.corpora.describe import NameGrammar
from disentangled_audio.parameters import Corpus, Protocol
from tests.calling import call, make_noise
from tests.conftest import make_project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("init") / "project")


def test_init_corpus_finds_classes_and_shortcuts(project: Path, tmp_path: Path) -> None:
    for take in range(12):
        make_noise(tmp_path / "birds", f"owl/{take}.wav", 1.0, 16000)
        make_noise(tmp_path / "birds", f"wren/{take}.wav", 0.3, 22050)
    output = tmp_path / "birds.yml"
    result = call(project, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert "12  owl" in result.output
    assert "duration differs by class" in result.output
    assert "sampling rate differs by class" in result.output
    assert f"corpus_file={output}" in result.output
    assert f"kedro run --env=folder --params=corpus_file={output}" in result.stdout
    again = call(project, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert again.exit_code == 1
    assert "exists already" in again.output


def test_init_corpus_reads_names_into_a_valid_description(project: Path, tmp_path: Path) -> None:
    for species in ("owl", "wren"):
        for site in "abcd":
            for take in range(4):
                make_noise(tmp_path / "birds", f"{species}_site{site}_{take}.wav", 0.5, 16000)
    output = tmp_path / "birds.yml"
    result = call(project, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert "Warning" not in result.output
    content = yaml.safe_load(output.read_text())
    corpus = Corpus.model_validate(content["corpora"]["birds"])
    protocol = Protocol.model_validate(content["protocols"]["birds_label"])
    assert protocol.group_by == ["site"]
    columns = NameGrammar(corpus, []).parse("wren_sitea_0.wav")
    assert columns is not None
    assert columns["label"] == "wren"
    assert columns["site"] == "sitea"


@pytest.mark.parametrize(
    ("names", "target", "group", "said"),
    [
        (["{animal}/{site}/{take}.wav"], "label", ["site"], "site stays on one side"),
        (["{site}/{animal}/{take}.wav"], "label", ["site"], "site stays on one side"),
        (["{animal}/{site}_{take}.wav"], "folder", ["site"], "site stays on one side"),
        (
            ["train/{animal}/{site}{take}.wav", "test/{animal}/{site}{take}.wav"],
            "label",
            [],
            "part (test, train) names parts of a split",
        ),
    ],
)
def test_init_corpus_tells_levels_of_folders_apart(
    project: Path, tmp_path: Path, names: list[str], target: str, group: list[str], said: str
) -> None:
    for name in names:
        for animal in ("cat", "dog"):
            for site in ("sitea", "siteb", "sitec", "sited", "sitee"):
                for take in range(3):
                    path = name.format(animal=animal, site=site, take=take)
                    make_noise(tmp_path / "animals", path, 0.2, 16000)
    output = tmp_path / "animals.yml"
    result = call(project, "init-corpus", str(tmp_path / "animals"), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert said in result.stdout
    (protocol,) = yaml.safe_load(output.read_text())["protocols"].values()
    assert (protocol["target"], protocol["group_by"]) == (target, group)
    assert protocol["split"]["strategy"] == ("grouped" if group else "column")
    _assert_every_file_matches(output, target, {"cat", "dog"})


def test_init_corpus_refuses_files_beside_sub_folders(project: Path, tmp_path: Path) -> None:
    for take in range(6):
        make_noise(tmp_path / "birds", f"owl_{take}.wav", 0.2, 16000)
    make_noise(tmp_path / "birds", "backup/owl_0.wav", 0.2, 16000)
    output = tmp_path / "birds.yml"
    result = call(project, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 1
    assert "6 recordings lie in" in result.output
    assert "1 in sub-folders, such as backup" in result.output
    assert not output.exists()


def test_init_corpus_takes_the_part_that_is_named(project: Path, tmp_path: Path) -> None:
    for species in ("owl", "wren"):
        for site in "ab":
            for take in range(4):
                end = "_again" if take == 3 else ""
                make_noise(tmp_path / "birds", f"{site}_{species}_{take}{end}.wav", 0.5, 16000)
    output = tmp_path / "birds.yml"
    folder = str(tmp_path / "birds")
    result = call(project, "init-corpus", folder, "--output", str(output), "--class-part", "2")
    assert result.exit_code == 0, result.output
    assert "8  owl" in result.stdout
    _assert_every_file_matches(output, "label", {"owl", "wren"})
    for part, message in (("9", "some names have fewer parts"), ("3", "Wrote")):
        output.unlink(missing_ok=True)
        result = call(project, "init-corpus", folder, "--output", str(output), "--class-part", part)
        assert message in result.output


def _assert_every_file_matches(output: Path, column: str, classes: set[str]) -> None:
    (described,) = yaml.safe_load(output.read_text())["corpora"].values()
    grammar = NameGrammar(Corpus.model_validate(described), [])
    folder = Path(described["sources"][0]["folder"])
    parsed = [grammar.parse(file.relative_to(folder).as_posix()) for file in folder.rglob("*.wav")]
    assert {columns[column] for columns in parsed} == classes


def test_init_corpus_goes_on_without_what_it_cannot_read(project: Path, tmp_path: Path) -> None:
    for take in range(12):
        make_noise(tmp_path / "birds", f"owl/{take}.wav", 1.0, 16000)
        make_noise(tmp_path / "birds", f"wren/{take}.wav", 1.0, 16000)
    (tmp_path / "birds" / "owl" / "bad.wav").write_bytes(b"no audio")
    output = tmp_path / "birds.yml"
    result = call(project, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0
    assert "1 files cannot be read, such as owl/bad.wav" in result.stderr
    unwritable = tmp_path / "birds" / "nowhere" / "birds.yml"
    result = call(project, "init-corpus", str(tmp_path / "birds"), "--output", str(unwritable))
    assert result.exit_code == 1
    assert str(unwritable) in result.output
    assert not unwritable.parent.exists()


def test_init_corpus_counts_a_name_that_is_not_utf8_as_unreadable(
    project: Path, tmp_path: Path
) -> None:
    for name in ("owl", "wren"):
        for take in range(12):
            make_noise(tmp_path / "birds", f"{name}/{take}.wav", 1.0, 16000)
    try:
        os.link(tmp_path / "birds/owl/0.wav", os.fsencode(tmp_path / "birds/owl/a") + b"\xff.wav")
    except OSError as error:
        pytest.skip(f"no such names on this disk: {error}")
    output = tmp_path / "birds.yml"
    result = call(project, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert "1 files cannot be read, such as owl/a?.wav" in result.stderr


def test_init_corpus_lists_the_name_parts_where_none_can_be_the_class(
    project: Path, tmp_path: Path
) -> None:
    for name in ("a_x", "a_y", "b_z"):
        make_noise(tmp_path / "birds", f"{name}.wav", 1.0, 16000)
    output = tmp_path / "birds.yml"
    result = call(project, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 1
    assert "that is the class with --class-part (the parts are 1: a, b; 2: x, y, z)" in " ".join(
        result.output.split()
    )
    assert not output.exists()


def test_init_corpus_of_spoken_digits(real_data: Path, project: Path, tmp_path: Path) -> None:
    folder, output = real_data / "fsdd" / "recordings", tmp_path / "fsdd.yml"
    result = call(project, "init-corpus", str(folder), "--output", str(output))
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[:10] == [f"    300  {digit}" for digit in range(10)]
    assert "field2 stays on one side" in result.stdout
    assert "kind" not in output.read_text()
    _assert_every_file_matches(output, "field2", set(SPEAKERS))
    output.unlink()
    # How long a digit lasts tells who speaks.
    result = call(project, "init-corpus", str(folder), "--output", str(output), "--class-part", "2")
    assert "duration differs by class (medians george:" in result.stderr


def test_init_corpus_of_room_impulse_responses(
    real_data: Path, project: Path, tmp_path: Path
) -> None:
    folder, output = tmp_path / "halls", tmp_path / "halls.yml"
    folder.mkdir()
    for file in (real_data / "slr28_real").glob("RVB2014_*.wav"):
        (folder / file.name).symlink_to(file)
    options = ("--output", str(output), "--class-part", "4")
    result = call(project, "init-corpus", str(folder), *options)
    assert result.exit_code == 0, result.output
    assert "so their kind is rir" in " ".join(result.stdout.split())
    assert yaml.safe_load(output.read_text())["corpora"]["halls"]["kind"] == "rir"
    # Of 36 recordings, fewer are for training than the 60 components that responses have.
    params = shlex.split(result.stdout.splitlines()[-1])[-1]
    assert int(params.partition("fourier.n_components=")[2]) < 36


SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")


@pytest.mark.parametrize("n_takes", [3, 14])
def test_the_printed_command_reads_the_recordings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_takes: int
) -> None:
    """Typed as printed, as far as the features: with few recordings too."""
    for take in range(n_takes):
        make_noise(tmp_path / "my birds", f"owl/{take}.wav", 1.0, 16000)
        make_noise(tmp_path / "my birds", f"wren/{take}.wav", 1.0, 16000)
    project = make_project(tmp_path / "project")
    output = tmp_path / "my birds.yml"
    shown = call(project, "init-corpus", str(tmp_path / "my birds"), "--output", str(output))
    command = shlex.split(shown.stdout.splitlines()[-1])
    assert command[:2] == ["kedro", "run"]
    monkeypatch.chdir(project)
    bootstrap_project(project)
    result = CliRunner().invoke(cli, [*command[1:], "--pipelines=ingestion,feature_engineering"])
    assert result.exit_code == 0, result.output
    assert list((project / "data" / "02_primary" / "my_birds").glob("*/splits.parquet"))


def test_init_corpus_warns_about_classes_too_small_to_split(project: Path, tmp_path: Path) -> None:
    for take in range(5):
        make_noise(tmp_path / "birds", f"owl/{take}.wav", 1.0, 16000)
    for take in range(2):
        make_noise(tmp_path / "birds", f"wren/{take}.wav", 1.0, 16000)
    output = tmp_path / "birds.yml"
    result = call(project, "init-corpus", str(tmp_path / "birds"), "--output", str(output))
    assert result.exit_code == 0
    assert "fewer than 3 recordings of wren: training refuses them" in result.stderr
    rough = "fewer than 10 recordings of owl, wren: scores and confidence will be rough"
    assert rough in result.stderr


def test_init_corpus_takes_no_name_of_another_corpus(tiny_run: Path, tmp_path: Path) -> None:
    # `twin_tiny` is that of the trained run, `fsdd` the project's own.
    for name in ("fsdd", "twin_tiny", "birds"):
        for take in range(5):
            make_noise(tmp_path / "at home" / name, f"owl/{take}.wav", 1.0, 16000)
            make_noise(tmp_path / "at home" / name, f"wren/{take}.wav", 1.0, 16000)
        output = tmp_path / f"{name}.yml"
        result = call(
            tiny_run, "init-corpus", str(tmp_path / "at home" / name), "--output", str(output)
        )
        assert result.exit_code == 0, result.output
        (corpus,) = yaml.safe_load(output.read_text())["corpora"]
        assert corpus == (name if name == "birds" else f"at_home_{name}")
