"""The documentation builds, its links lead somewhere, and its commands and examples work."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import GenericAlias
from typing import Any, get_args

import click
import numpy as np
import pytest
import soundfile
import yaml
from kedro.framework.cli.project import run as kedro_run
from pydantic import BaseModel

from disentangled_audio.cli.console import app
from disentangled_audio.parameters import GROUPS
from disentangled_audio.pipeline_registry import register_pipelines
from tests.conftest import REPOSITORY

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
OPTION = re.compile(r"--[a-z][a-z-]*")
OTHER_PARAMETERS = {"seed", "corpus_name", "protocol_name", "corpus_file"}
LONGEST_README = 150
PROGRAMS = ("kedro run", "disentangled-audio ", "make ", "python benchmarks/", "python docs/")


def _commands() -> list[str]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        fenced = [body for language, body in FENCE.findall(text) if not language]
        lines = [line.strip() for body in fenced for line in body.splitlines()]
        lines += INLINE.findall(FENCE.sub("", text))
        found += [line for line in lines if line.startswith(PROGRAMS)]
    # What stands for something else, such as --env=…, is not a command to type.
    return sorted({line for line in found if "…" not in line})


COMMANDS = _commands()


def test_commands_are_found() -> None:
    for program in PROGRAMS:
        assert any(command.startswith(program) for command in COMMANDS), program


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("kedro run")])
def test_runs_name_pipelines_environments_and_parameters_that_exist(command: str) -> None:
    options = _parsed(kedro_run, shlex.split(command, comments=True)[2:])

    assert set(_listed(options["pipelines"])) <= set(register_pipelines())
    environment = options["env"] or "base"
    assert (REPOSITORY / "conf" / environment).is_dir(), environment
    for key, value in _flat(options["params"] or {}).items():
        _check_parameter(key, value, environment)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("disentangled-audio ")])
def test_console_commands_parse(command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    if words[0] == "--project":
        words = words[2:]
    if words:
        _parsed(app.commands[words[0]], [*words[1:], *_metavars(words)])


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_has_the_target(command: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")

    for word in shlex.split(command, comments=True)[1:]:
        if "=" in word:
            assert re.search(rf"\$\({word.partition('=')[0]}\)", makefile), word
        else:
            assert re.search(rf"^{word}:", makefile, re.MULTILINE), word


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python ")])
def test_scripts_and_their_options_exist(command: str) -> None:
    words = shlex.split(command, comments=True)
    script = REPOSITORY / words[1]
    source = script.read_text(encoding="utf-8")
    for shared in ("fold_tables", "seed_runs"):
        if f"from {shared} import" in source:
            source += (script.parent / f"{shared}.py").read_text(encoding="utf-8")

    for option in OPTION.findall(" ".join(words[2:])):
        assert option == "--help" or f'"{option}"' in source, option


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))

    for target in ("".join(groups) for groups in LINK.findall(text)):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), target
            assert not anchor or anchor in _anchors(file), target


def _anchors(file: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_is_short() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")

    assert len(readme.splitlines()) <= LONGEST_README
    assert "make run" in readme[:1500]
    assert "make test" in readme[:1500]


def test_figures_of_readme_are_those_of_the_file() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    script = "import sys; sys.path.insert(0, 'docs'); import results_pages as pages; " + (
        "print(pages.readme_table(pages._entries(pages.DOCS / 'results/scores.json')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert "REVERB 2014" in done.stdout
    assert done.stdout in readme


@pytest.mark.parametrize("file", sorted((REPOSITORY / "docs" / "results").glob("*.json")))
def test_every_figure_says_where_it_comes_from(file: Path) -> None:
    for entry in yaml.safe_load(file.read_text(encoding="utf-8")):
        said = {"what", "command", "recordings", "revision", "seeds", "machine", "date", "rows"}
        assert said <= set(entry)
        assert entry["recordings"] in ("real", "simulated", "synthesised")
        assert (REPOSITORY / entry["command"].split()[1]).is_file()
        assert entry["rows"]


def test_every_picture_of_the_docs_is_shown() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)

    for picture in (REPOSITORY / "docs").rglob("*.png"):
        assert picture.name in text
        assert picture.stat().st_size < 300_000


def test_the_ten_lines_of_python_run(
    tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    (example,) = [body for language, body in FENCE.findall(readme) if language == "python"]
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000)
    (tmp_path / "more").mkdir()
    for name in ("new.wav", "more/other.wav"):
        soundfile.write(tmp_path / name, noise, 16000)
    (tmp_path / "data").symlink_to(tiny_run / "data")
    monkeypatch.chdir(tmp_path)

    exec(example, {})  # the example itself is what is tested

    shown = capsys.readouterr().out
    assert "new.wav" in shown
    assert "other.wav" in shown
    assert "rhythm_0" in shown


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n"]
    done = subprocess.run(
        [*command, str(REPOSITORY / "docs"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    parameters = (tmp_path / "parameters.html").read_text(encoding="utf-8")
    assert "content_dim" in parameters
    assert "predict_array" in (tmp_path / "python-api.html").read_text(encoding="utf-8")
    assert "0.957" in (tmp_path / "results.html").read_text(encoding="utf-8")


def test_the_parts_of_the_project_are_valid_yaml_and_call_what_exists() -> None:
    files = [".pre-commit-config.yaml", ".github/workflows/ci.yml", ".github/workflows/nightly.yml"]
    content = {
        name: yaml.safe_load((REPOSITORY / name).read_text(encoding="utf-8")) for name in files
    }
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    steps = [
        step["run"]
        for name in files[1:]
        for job in content[name]["jobs"].values()
        for step in job["steps"]
        if "run" in step
    ]

    assert ".ci/run" in steps
    assert (REPOSITORY / ".ci" / "run").stat().st_mode & 0o111
    for step in steps:
        if step.startswith("make "):
            assert re.search(rf"^{step.split()[1]}:", makefile, re.MULTILINE), step
    hooks = [hook["id"] for repo in content[files[0]]["repos"] for hook in repo["hooks"]]
    assert {"ruff", "ruff-format", "mypy", "trailing-whitespace"} <= set(hooks)


def test_version_changelog_and_citation_agree() -> None:
    from disentangled_audio import __version__

    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## \[(\d[^\]]*)\] – (\S+)$", changelog, re.MULTILINE)

    assert newest
    assert citation["version"] == newest[1] == __version__
    assert str(citation["date-released"]) == newest[2]


def _parsed(command: click.Command, words: list[str]) -> dict[str, Any]:
    return command.make_context(command.name, words).params


def _listed(names: Any) -> list[str]:
    return [names] if isinstance(names, str) else list(names or [])


def _metavars(words: list[str]) -> list[str]:
    """`disentangled-audio runs` named in passing has all it needs; others lack their arguments."""
    needs = {"classify": ["clap.wav"], "init-corpus": ["birds"], "export": ["RUN", "model.zip"]}
    needs["compare"] = ["RUN", "RUN"]
    return needs.get(words[0], []) if len(words) == 1 else []


def _flat(params: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for key, value in params.items():
        nested = isinstance(value, dict)
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def _check_parameter(key: str, value: Any, environment: str) -> None:
    first, *rest = key.split(".")
    if first in OTHER_PARAMETERS:
        section = {"corpus_name": "_corpora", "protocol_name": "_protocols"}.get(first)
        assert section is None or value in _defined(section, environment), value
        return
    assert first in GROUPS, key
    kind: Any = GROUPS[first]
    for name in rest:
        if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
            return
        assert name in kind.model_fields, key
        kind = kind.model_fields[name].annotation
        if isinstance(kind, GenericAlias) or get_args(kind):
            return


def _defined(section: str, environment: str) -> set[str]:
    names: set[str] = set()
    for folder in ("base", environment):
        for file in (REPOSITORY / "conf" / folder).rglob("parameters*.yml"):
            names |= set((yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get(section, {}))
    return names
