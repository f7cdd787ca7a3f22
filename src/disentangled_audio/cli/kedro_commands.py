"""`kedro run` with messages instead of tracebacks, and `kedro prune`."""

import errno
import re
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.pipeline import Pipeline
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
# Pydantic ends its errors with the type, the value and its type, then an address.
OWN_ERROR = re.compile(r"Value error, (.*) \[type=value_error, .*\]$", re.MULTILINE)
REFUSED_VALUE = re.compile(r" \[type=\w+, input_value=(.*), input_type=\w+\]$", re.MULTILINE)
ADDRESS = re.compile(r"\n +For further information visit .*$", re.MULTILINE)


class Run(click.Command):
    """Kedro's run command; for errors in input or parameters it shows only the message."""

    def invoke(self, ctx: click.Context) -> Any:
        """Check the names in the options, then run."""
        with messages():
            _check_names(ctx.params)
            return super().invoke(ctx)


@contextmanager
def messages() -> Iterator[None]:
    """Turn errors that the user can mend into errors of which click prints only the message."""
    try:
        yield
    except (*EXPECTED, OSError) as error:
        if getattr(error, "errno", None) == errno.EPIPE:
            # The reader of a pipe has gone; click ends quietly.
            raise
        raise click.ClickException(_message(error)) from error
    except click.ClickException:
        raise
    except Exception as error:
        trouble = disk_trouble(error)
        if trouble is None:
            raise
        raise click.ClickException(str(trouble)) from error


def _check_names(options: dict[str, Any]) -> None:
    """Refuse a pipeline, node, dataset or tag that does not exist; name the nearest ones."""
    from kedro.framework.project import pipelines

    chosen = options["pipelines"] or [options["pipeline"] or "__default__"]
    _check_known("pipeline", chosen, list(pipelines))
    whole = sum((pipelines[name] for name in chosen), start=Pipeline([]))
    nodes, datasets = [node.name for node in whole.nodes], whole.datasets()
    for option in ("node_names", "from_nodes", "to_nodes"):
        _check_known("node", options[option], nodes)
    for option in ("from_inputs", "to_outputs"):
        _check_known("dataset", options[option], datasets)
    _check_known("tag", options["tags"], {tag for node in whole.nodes for tag in node.tags})


def _check_known(kind: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in set(names) - set(known):
        near = get_close_matches(name, known, n=3)
        hint = (
            f"did you mean {' or '.join(near)}?"
            if near
            else f"there are {', '.join(sorted(known)) or 'none'}"
        )
        raise click.ClickException(f"there is no {kind} '{name}'; {hint}")


def _message(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        # OmegaConf wraps errors of a resolver in lines about its own keys.
        if isinstance(cause, UserError):
            return str(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, ParameterValidationError):
        message = OWN_ERROR.sub(r"\1", ADDRESS.sub("", str(error)))
        return REFUSED_VALUE.sub(r", got \1", message)
    if isinstance(error, OSError):
        return explain(error)
    trouble = disk_trouble(error)
    # Kedro's text names the dataset, ours says what to do.
    return f"{error}\n{trouble}" if trouble is not None else str(error)


@click.group(name="disentangled-audio")
def cli() -> None:
    """Project-specific commands."""


@cli.command()
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many versions of each dataset, and how many runs, to keep (the newest).",
)
@click.option("--yes", is_flag=True, help="Remove without asking.")
def prune(keep: int, yes: bool) -> None:
    """List and remove old versions, leftovers and unused chunk caches in data/.

    Versions that a kept run needs are never removed.
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
            click.echo("Nothing was removed; --yes removes all of it (make prune YES=1).")
            return
        if not yes and not click.confirm("Remove all of it?", default=False):
            return
        with run_locks(data):
            # A run may have ended since; keep what it needs.
            still = {item.path for item in removables(data, keep)}
            left = remove([item for item in listed if item.path in still])
        for path in left:
            click.echo(f"{path} was not removed: it is in use or protected", err=True)
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
