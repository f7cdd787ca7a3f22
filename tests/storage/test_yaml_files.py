"""YAML of strangers: what would take minutes or all memory is refused at once."""

import contextlib
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from kedro.framework.startup import bootstrap_project

from disentangled_audio.errors import UserError
from disentangled_audio.runs.config_loader import ConfigLoader
from disentangled_audio.runs.selection import selected_name
from disentangled_audio.storage.yaml_files import MAX_BYTES, MAX_DEPTH, read_yaml
from tests.calling import call
from tests.conftest import make_project

_TIMES = range(9)


def _levels(entry: str) -> str:
    """Nine levels, each of which names the one before nine times."""
    levels = [f"a0: &a0 {entry}"]
    for level in range(1, 10):
        levels.append(f"a{level}: &a{level} [{', '.join(f'*a{level - 1}' for _ in _TIMES)}]")
    return "\n".join(levels)


BOMBS = {
    "lists": _levels("[x]"),
    "texts": _levels("lol"),
    "merges": "a0: &a0 {k: v}\n"
    + "\n".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 10)),
    "keys": "a0: &a0 [x, x]\n"
    + "\n".join(f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}}}" for n in range(1, 30)),
}
REFUSED = {
    **{name: (text, "has aliases that stand for more than") for name, text in BOMBS.items()},
    "itself": ("a: &a [*a]", "levels deep"),
    "itself in a mapping": ("a: &a {b: {c: *a}}", "levels deep"),
    "depth": ("[" * 200 + "]" * 200, "levels deep"),
    "great depth": ("[" * 100_000, "not valid YAML|levels deep"),
    "depth by aliases": (
        "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 60)),
        "levels deep",
    ),
    "size": ("a: " + "x" * MAX_BYTES, "has more than"),
    "no anchor": ("a: *b", "not valid YAML"),
    "object": ("a: !!python/object/apply:os.getcwd []", "not valid YAML"),
    "huge number": ("a: " + "9" * 5000, "not valid YAML"),
    "encoding": ("a: \ud800", "not valid YAML"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_grows_is_refused_with_the_name_of_the_file(name: str, tmp_path: Path) -> None:
    text, message = REFUSED[name]
    file = tmp_path / "a.yml"
    file.write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(UserError, match=message) as caught:
        read_yaml(file)
    assert str(file) in str(caught.value)


def test_anchors_are_allowed_and_so_is_depth_within_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "a.yml"
    file.write_text("base: &base {a: 1}\nown: {<<: *base, b: [*base, *base]}\n", encoding="utf-8")
    assert read_yaml(file)["own"] == {"a": 1, "b": [{"a": 1}, {"a": 1}]}
    n_levels = MAX_DEPTH - 1
    file.write_text("[" * n_levels + "x" + "]" * n_levels, encoding="utf-8")
    assert str(read_yaml(file)) == "[" * n_levels + "'x'" + "]" * n_levels
    file.write_text("", encoding="utf-8")
    assert read_yaml(file) is None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(value=_VALUES)
def test_plain_values_are_read_as_they_are(
    value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "plain.yml"
    file.write_text(yaml.safe_dump(value), encoding="utf-8")
    assert read_yaml(file) == value


@given(content=st.binary(max_size=60) | st.text("&*a:[]{},-<! \n", max_size=40).map(str.encode))
def test_other_bytes_are_read_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "other.yml"
    file.write_bytes(content)
    with contextlib.suppress(UserError):
        read_yaml(file)


@pytest.mark.parametrize("name", BOMBS)
def test_a_corpus_file_and_conf_are_read_within_the_limits(name: str, tmp_path: Path) -> None:
    file = tmp_path / "conf" / "base" / "parameters_x.yml"
    file.parent.mkdir(parents=True)
    file.write_text(f"{BOMBS[name]}\ncorpora: {{birds: *a9}}\n", encoding="utf-8")
    with pytest.raises(UserError, match="stand for more than"):
        selected_name("corpora", str(file), "", "twin")
    with pytest.raises(UserError, match="stand for more than"):
        ConfigLoader(str(tmp_path / "conf"))


def test_commands_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project")
    corpus_file = project / "birds.yml"
    corpus_file.write_text(BOMBS["lists"])
    monkeypatch.chdir(project)
    bootstrap_project(project)
    from disentangled_audio.cli.kedro_commands import cli

    options = ["run", "--env=folder", f"--params=corpus_file={corpus_file}"]
    run = CliRunner().invoke(cli, options)
    (project / "conf" / "base" / "parameters_corpora.yml").write_text(BOMBS["lists"])
    of_conf = CliRunner().invoke(cli, ["run", "--env=test"])
    (tmp_path / "in").mkdir()
    for result, name in (
        (run, "birds.yml"),
        (of_conf, "parameters_corpora.yml"),
        (call(project, "init-corpus", str(tmp_path / "in")), "parameters_corpora.yml"),
    ):
        assert result.exit_code == 1, result.output
        assert f"{name} has aliases that stand for more than" in " ".join(result.output.split())
        assert "Traceback" not in result.output
