"""Output shared by all commands, and the project that they use."""

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from disentangled_audio.report.terminal import wrapped

if TYPE_CHECKING:
    import pandas as pd

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")


@contextmanager
def answering() -> Iterator[None]:
    """Send everything but the answer, errors too, to the error output."""
    # The import configures Kedro's log, which is then replaced.
    from disentangled_audio.cli.kedro_commands import messages

    with messages(), _quiet_log():
        yield


@contextmanager
def _quiet_log() -> Iterator[None]:
    """Log only warnings of this project, to the error output: stdout has the answer."""
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
    """Find the project named by `--project`, or else around the current folder; None if none.

    Raises
    ------
    UserError
        If the named folder is not a project.
    """
    from kedro.utils import find_kedro_project, is_kedro_project

    from disentangled_audio.errors import UserError

    named = click.get_current_context().find_root().params["project"]
    if named is None:
        found = find_kedro_project(Path.cwd())
        return None if found is None else found.resolve()
    if not is_kedro_project(named):
        raise UserError(f"--project {named} is not a project's folder with its pyproject.toml")
    return named.resolve()


def project() -> Path:
    """Find the project, or raise a `UserError`."""
    from disentangled_audio.errors import UserError

    found = own_project()
    if found is None:
        raise UserError(
            f"{Path.cwd()} is not in a project; go to the project's folder (cd), or name it: "
            "disentangled-audio --project PATH …"
        )
    return found


def print_json(content: Any) -> None:
    """Print an answer for programs."""
    click.echo(json_text(content), nl=False)


def json_text(content: Any) -> str:
    """Text of an answer for programs."""
    return f"{json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)}\n"


def records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows of a table; missing values are None."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def shown_path(path: str) -> str:
    """Path relative to the current folder, if it lies below it."""
    return path.removeprefix(f"{Path.cwd()}{os.sep}")


def note(text: str) -> None:
    """Print a remark to the error output."""
    click.echo(wrapped(text, sys.stderr), err=True)
