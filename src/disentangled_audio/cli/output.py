"""What all commands share: where answers and messages go, and which project is meant."""

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from disentangled_audio.report.terminal import wrapped


@contextmanager
def answering() -> Iterator[None]:
    """What a command says beside its answer goes to the error output, failures too."""
    # It configures Kedro's log, which is then replaced.
    from disentangled_audio.cli.kedro_commands import messages

    with messages(), _quiet_log():
        yield


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Warnings of this project alone, on the error output: the other one has the answer."""
    root = logging.getLogger()
    kept = root.handlers[:]
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(logging.WARNING)
    handler.addFilter(logging.Filter("disentangled_audio"))
    root.handlers[:] = [handler]
    try:
        yield
    finally:
        root.handlers[:] = kept


def own_project() -> Path | None:
    """The project that `--project` names, or that the current folder is in; None if there is none.

    Raises
    ------
    UserError
        If the folder that was named is no project.
    """
    from kedro.utils import find_kedro_project, is_kedro_project

    from disentangled_audio.errors import UserError

    named = click.get_current_context().find_root().params["project"]
    if named is None:
        found = find_kedro_project(Path.cwd())
        return None if found is None else found.resolve()
    if not is_kedro_project(named):
        raise UserError(f"--project {named}: that is no project's folder, with its pyproject.toml")
    return named.resolve()


def project() -> Path:
    """The same; an error if there is none."""
    from disentangled_audio.errors import UserError

    found = own_project()
    if found is None:
        raise UserError(
            f"{Path.cwd()} is not in the project's folder; go there first (cd), or name it: "
            "disentangled-audio --project PATH …"
        )
    return found


def shown(value: Any) -> str:
    """A cell of a table."""
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def print_json(content: Any) -> None:
    """An answer for programs."""
    click.echo(json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False))


def note(text: str) -> None:
    """Something to read that is no result."""
    click.echo(wrapped(text, sys.stderr), err=True)
