"""`kedro run` with errors a person can act on, instead of a traceback."""

from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.validation.exceptions import ParameterValidationError
from omegaconf.errors import OmegaConfBaseException

from disentangled_audio.errors import UserError

EXPECTED = (UserError, ParameterValidationError, DatasetError, OmegaConfBaseException)


class Run(click.Command):
    """Kedro's run command; errors in input or parameters end with their message alone."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run, and turn an expected error into one that click prints as a message."""
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            raise click.ClickException(_message(error)) from error


def _message(error: Exception) -> str:
    if isinstance(error, OmegaConfBaseException) and isinstance(error.__cause__, UserError):
        return str(error.__cause__)
    return str(error)


@click.group(name="disentangled-audio")
def cli() -> None:
    """Commands of the project."""


# Named `run` because the packaged project looks for it under this name.
run = Run(name="run", params=kedro_run.params, callback=kedro_run.callback, help=kedro_run.help)
cli.add_command(run)
