"""`kedro run` with errors a person can act on instead of a traceback, and `kedro prune`."""

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.validation.exceptions import ParameterValidationError
from omegaconf.errors import OmegaConfBaseException

from disentangled_audio.errors import UserError
from disentangled_audio.storage.disk_errors import disk_trouble, explain

EXPECTED = (
    UserError,
    ParameterValidationError,
    DatasetError,
    OmegaConfBaseException,
    MissingConfigException,
)
# How Pydantic ends its errors: type, value and type of the value, then an address.
OWN_ERROR = re.compile(r"Value error, (.*) \[type=value_error, .*\]$", re.MULTILINE)
REFUSED_VALUE = re.compile(r" \[type=\w+, input_value=(.*), input_type=\w+\]$", re.MULTILINE)
ADDRESS = re.compile(r"\n +For further information visit .*$", re.MULTILINE)


class Run(click.Command):
    """Kedro's run command; errors in input or parameters end with their message alone."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and turn an expected error into one that click prints as a message."""
        _check_pipelines(ctx.params)
        with messages():
            return super().invoke(ctx)


@contextmanager
def messages() -> Iterator[None]:
    """Turn errors that a person can act on into ones that click prints as their message alone."""
    try:
        yield
    except (*EXPECTED, OSError) as error:
        if getattr(error, "errno", None) == errno.EPIPE:
            # The reader of the output has gone; click ends quietly.
            raise
        raise click.ClickException(_message(error)) from error
    except click.ClickException:
        raise
    except Exception as error:
        trouble = disk_trouble(error)
        if trouble is None:
            raise
        raise click.ClickException(str(trouble)) from error


def _check_pipelines(options: dict[str, Any]) -> None:
    from kedro.framework.project import pipelines

    for name in options["pipelines"] or filter(None, [options["pipeline"]]):
        if name not in pipelines:
            raise click.ClickException(
                f"there is no pipeline '{name}'; there are {', '.join(sorted(pipelines))}"
            )


def _message(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        # OmegaConf wraps what a resolver raises in lines about its own keys.
        if isinstance(cause, UserError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, ParameterValidationError):
        message = OWN_ERROR.sub(r"\1", ADDRESS.sub("", str(error)))
        return REFUSED_VALUE.sub(r", got \1", message)
    if isinstance(error, OSError):
        return explain(error)
    trouble = disk_trouble(error)
    # Kedro's text names the dataset, the other one what can be done.
    return f"{error}\n{trouble}" if trouble is not None else str(error)


@click.group(name="disentangled-audio")
def cli() -> None:
    """Commands of the project."""


@cli.command()
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Newest versions of every dataset, and newest runs, that stay.",
)
@click.option("--yes", is_flag=True, help="Remove without asking.")
def prune(keep: int, yes: bool) -> None:
    """List old versions, leftovers and unused chunk caches in data/, and remove them.

    A version that the manifest of a kept run names stays, whatever its age.
    """
    from kedro.utils import find_kedro_project

    from disentangled_audio.runs.pruning import removables, remove, run_locks

    with messages():
        data = (find_kedro_project(Path.cwd()) or Path.cwd()).resolve() / "data"
        listed = removables(data, keep)
        if not listed:
            click.echo("There is nothing to remove.")
            return
        for item in listed:
            shown = item.path.relative_to(data.parent)
            click.echo(f"{_size(item.n_bytes):>9}  {shown}  ({item.reason})")
        click.echo(f"{_size(sum(item.n_bytes for item in listed)):>9}  in {len(listed)} folders")
        if not yes and not _has_terminal():
            click.echo("Nothing has been removed; --yes removes all of it (make prune YES=1).")
            return
        if not yes and not click.confirm("Remove all of it?", default=False):
            return
        with run_locks(data):
            # A run may have ended since; what it needs stays.
            still = {item.path for item in removables(data, keep)}
            left = remove([item for item in listed if item.path in still])
        for path in left:
            click.echo(f"{path} is in use or must not be removed; it is still there", err=True)
        click.echo(f"Removed {len(still & {item.path for item in listed}) - len(left)} folders.")


def _has_terminal() -> bool:
    return sys.stdin.isatty()


def _size(n_bytes: int) -> str:
    if n_bytes < 1000:
        return f"{n_bytes} B"
    size = n_bytes / 1000
    for unit in ("kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


# Named `run` because the packaged project looks for it under this name.
run = Run(name="run", params=kedro_run.params, callback=kedro_run.callback, help=kedro_run.help)
cli.add_command(run)
