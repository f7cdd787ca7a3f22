"""How a run selects corpus and protocol, and errors in a user's file."""

import shutil
from pathlib import Path

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from omegaconf import OmegaConf

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import GROUPS, Parameters
from disentangled_audio.runs.selection import (
    DATA_VARIABLE,
    clips_folder,
    data_folder,
    selected_corpus,
    selected_definition,
    selected_name,
    values_of_kind,
)
from disentangled_audio.settings import CONFIG_LOADER_ARGS
from tests.conftest import REPOSITORY

KNOWN = {"twin": {"description": "the twin"}, "fsdd": {"description": "digits"}}
OWN = """
corpora:
  birds: {description: at the window}
  frogs: {description: at the pond}
protocols:
  species: {target: species}
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    """A user's file with two corpora and a protocol."""
    return _file(tmp_path, OWN)


def _file(folder: Path, text: str) -> str:
    path = folder / "my_corpus.yml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_the_environment_chooses_by_default() -> None:
    assert selected_name("corpora", "", "", "twin") == "twin"


def test_a_requested_name_overrides_the_environment() -> None:
    assert selected_name("corpora", "", "fsdd", "twin") == "fsdd"


def test_a_users_file_selects_its_first_entry(own: str) -> None:
    assert selected_name("corpora", own, "", "twin") == "birds"
    assert selected_name("protocols", own, "", "database_by_room") == "species"


def test_a_requested_name_overrides_the_first_entry(own: str) -> None:
    assert selected_name("corpora", own, "frogs", "twin") == "frogs"


def test_a_users_file_without_protocols_keeps_the_environments_protocol(tmp_path: Path) -> None:
    path = _file(tmp_path, "corpora: {birds: {}}\nprotocols:\n")

    assert selected_name("protocols", path, "", "by_folder") == "by_folder"


def test_labels_are_the_classes_of_labelled_parts_without_protocols(tmp_path: Path) -> None:
    path = _file(tmp_path, "corpora: {birds: {segments: labels.csv}}\n")
    (tmp_path / "own").mkdir()
    own = _file(tmp_path / "own", "corpora: {b: {segments: x}}\nprotocols: {mine: {}}\n")

    assert selected_name("protocols", path, "", "by_folder") == "by_label"
    assert selected_name("protocols", own, "", "by_folder") == "mine"


def test_an_environment_that_names_nothing_asks_for_a_file() -> None:
    with pytest.raises(UserError, match=r"--params=corpus_file=my_corpus\.yml"):
        selected_name("corpora", "", "", "")


def test_definitions_come_from_the_users_file_first(tmp_path: Path) -> None:
    path = _file(tmp_path, "corpora: {twin: {description: another}}")

    assert selected_definition("corpora", path, "twin", KNOWN) == {"description": "another"}
    assert selected_definition("corpora", path, "fsdd", KNOWN) == KNOWN["fsdd"]
    assert selected_definition("corpora", "", "twin", KNOWN) == KNOWN["twin"]


@pytest.mark.parametrize(
    ("section", "with_file", "listed"),
    [
        ("corpora", False, "twin, fsdd"),
        ("corpora", True, "birds, frogs, twin, fsdd"),
        ("protocols", True, "species, twin, fsdd"),
    ],
)
def test_an_unknown_name_lists_those_that_exist(
    own: str, section: str, with_file: bool, listed: str
) -> None:
    with pytest.raises(UserError, match=f"^'cats' is not one of the {section}: {listed}$"):
        selected_definition(section, own if with_file else "", "cats", KNOWN)


def test_names_that_yaml_reads_as_numbers_are_listed_too(tmp_path: Path) -> None:
    path = _file(tmp_path, "corpora: {2024: {}, birds: {}}")

    with pytest.raises(UserError, match="2024, birds, twin, fsdd"):
        selected_definition("corpora", path, "cats", KNOWN)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("corpora: [unclosed", "is not valid YAML"),
        ("corpora:\n\tbirds: {}", "is not valid YAML"),
        ("", "has no section 'corpora'"),
        ("just a sentence", "has no section 'corpora'"),
        ("- birds\n- frogs", "has no section 'corpora'"),
        ("protocols: {species: {}}", "has no section 'corpora'"),
        ("corpora:", "has no section 'corpora'"),
        ("corpora: {}", "has no section 'corpora'"),
        ("corpora: [birds]", "has no section 'corpora'"),
        (
            "corpora: {birds: {}}\ncorpus: {}\nextra: {}",
            "unknown section corpus, extra; allowed are corpora and protocols",
        ),
        ("corpora: {birds: {}}\nprotocols: [species]", "'protocols' must give each protocol"),
    ],
)
def test_an_invalid_users_file_is_explained(tmp_path: Path, text: str, message: str) -> None:
    path = _file(tmp_path, text)

    for select in (
        lambda: selected_name("corpora", path, "", "twin"),
        lambda: selected_definition("corpora", path, "twin", KNOWN),
    ):
        with pytest.raises(UserError, match=message) as caught:
            select()
        assert path in str(caught.value)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "my_corpus.yml"
    path.write_bytes("corpora: {vögel: {}}".encode("latin-1"))

    with pytest.raises(UserError, match="is not valid YAML"):
        selected_name("corpora", str(path), "", "twin")


def test_a_missing_file_is_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UserError, match="No such file or directory") as caught:
        selected_name("corpora", "nowhere.yml", "", "twin")
    assert str(tmp_path / "nowhere.yml") in str(caught.value)


def test_a_file_may_start_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _file(tmp_path, "corpora: {birds_at_home: {}}")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert selected_name("corpora", "~/my_corpus.yml", "", "twin") == "birds_at_home"


def test_the_data_folder_is_named_by_the_environment_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert data_folder() == ""

    monkeypatch.setenv(DATA_VARIABLE, "somewhere/else")
    assert data_folder() == "somewhere/else"


def test_an_error_of_the_user_is_a_value_error() -> None:
    assert issubclass(UserError, ValueError)


def test_analysis_comes_from_the_protocol_then_the_corpus_then_its_kind() -> None:
    described = OmegaConf.create({"files": "*.wav", "analysis": {"channel": "first", "rate": 8}})
    of_kind = {"fill": "noise_floor", "rate": 16}
    asking = {"analysis": {"channel": "mean"}}

    assert selected_corpus(described, of_kind, asking) == {
        "files": "*.wav",
        "analysis": {"channel": "mean", "rate": 8, "fill": "noise_floor"},
    }
    assert described["analysis"]["channel"] == "first"
    assert selected_corpus(described, {}, {}) is described


@pytest.mark.parametrize(
    ("wanted", "asked", "kind", "expected"),
    [
        ("none", "", "rir", "none"),
        ("rir", "", "speech", "rir"),
        ("corpus", "", "rir", "rir"),
        ("corpus", "", "speech", "other"),
        ("corpus", "", None, "other"),
        ("corpus", "rir", "speech", "rir"),
    ],
)
def test_values_are_those_of_a_kind_where_the_environment_wants_them(
    wanted: str, asked: str, kind: str | None, expected: str
) -> None:
    kinds = {name: {"fourier": name} for name in ("none", "rir", "other")}
    described = {"kind": kind} if kind else {}

    assert values_of_kind(kinds, wanted, asked, described) == {"fourier": expected}


def _groups(env: str, **asked: object) -> dict[str, Parameters]:
    """Groups that an environment gives to nodes, apart from the corpus and the protocol."""
    loader = OmegaConfigLoader(
        str(REPOSITORY / "conf"), env=env, runtime_params=asked, **CONFIG_LOADER_ARGS
    )
    values = loader["parameters"]
    left_out = ("corpus", "protocol")
    return {
        key: model.model_validate(values[key])
        for key, model in GROUPS.items()
        if key not in left_out
    }


def test_impulse_responses_of_a_user_are_treated_as_those_of_rooms(tmp_path: Path) -> None:
    analysis = "analysis: {sample_rate_hz: 8000, duration_s: 1.0}"
    text = f"corpora: {{halls: {{kind: rir, sources: [{{folder: /halls}}], {analysis}}}}}"
    file = _file(tmp_path, text)

    assert _groups("folder", corpus_file=file) == _groups("rooms")
    changed = _groups("folder", corpus_file=file, fourier={"n_components": 7}, seed=1)
    assert changed.pop("fourier").n_components == 7
    rooms = _groups("rooms")
    assert changed == {key: rooms[key] for key in changed}


def test_clips_are_kept_with_the_corpus_unless_the_protocol_needs_its_own(own: str) -> None:
    asking = {"paper": {}}

    assert clips_folder("", "twin", "database_by_room", asking) == "twin"
    assert clips_folder("", "twin", "paper", asking) == "twin/paper"
    assert clips_folder(own, "birds", "species", asking) == "birds"


def test_a_users_protocol_may_need_clips_of_its_own(tmp_path: Path) -> None:
    text = f"{OWN}  loud: {{target: species, analysis: {{normalise_energy: false}}}}\n"
    file = _file(tmp_path, text)

    assert clips_folder(file, "birds", "loud", {}) == "birds/loud"


@pytest.mark.parametrize("named", [{}, {"corpus_name": "birds"}])
@pytest.mark.parametrize("with_file", [True, False])
@pytest.mark.parametrize("kind_values", ["none", "rir"])
def test_single_values_change_only_themselves(
    tmp_path: Path, with_file: bool, named: dict[str, str], kind_values: str
) -> None:
    sections = {
        "corpora": {"birds": {"files": "*.wav", "analysis": {"rate_hz": 8000, "channel": "mean"}}},
        "protocols": {"species": {"target": "species", "split": {"n_folds": 4, "fold": 0}}},
    }
    file = _file(tmp_path, yaml.safe_dump(sections)) if with_file else ""
    for env in ("base", "local"):
        (tmp_path / "conf" / env).mkdir(parents=True)
    conf = tmp_path / "conf" / "base"
    for name in ("parameters.yml", "parameters_kinds.yml"):
        shutil.copy(REPOSITORY / "conf" / "base" / name, conf)
    known = (
        {"_corpora": {}, "_protocols": {}}
        if with_file
        else {f"_{section}": entries for section, entries in sections.items()}
    )
    known["_from_direct_sound"] = {"align": "direct_sound"}
    (conf / "parameters_known.yml").write_text(yaml.safe_dump(known), encoding="utf-8")
    names = {"corpus_name": "birds", "protocol_name": "species", "kind_values": kind_values}
    (conf / "globals.yml").write_text(yaml.safe_dump(names), encoding="utf-8")
    asked = {
        **({"corpus_file": file} if file else {}),
        **named,
        "protocol": {"split": {"fold": 1}},
        "corpus": {"analysis": {"rate_hz": 16000}},
    }
    resolvers = CONFIG_LOADER_ARGS["custom_resolvers"]
    loader = OmegaConfigLoader(
        str(tmp_path / "conf"),
        runtime_params=asked,
        base_env="base",
        default_run_env="local",
        custom_resolvers=resolvers,
    )
    found = loader["parameters"]
    assert found["protocol"] == {"target": "species", "split": {"n_folds": 4, "fold": 1}}
    of_kind = {"align": "direct_sound"} if kind_values == "rir" else {}
    assert found["corpus"]["analysis"] == {"rate_hz": 16000, "channel": "mean", **of_kind}
    assert found["corpus"]["files"] == "*.wav"
