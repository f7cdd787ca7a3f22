"""`kedro run` with errors a person can act on, instead of a traceback."""

import re
from typing import Any

import click
from kedro.config import MissingConfigException
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.validation.exceptions import ParameterValidationError
from omegaconf.errors import OmegaConfBaseException

from disentangled_audio.errors import UserError

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
        try:
            return super().invoke(ctx)
        except EXPECTED as error:
            raise click.ClickException(_message(error)) from error


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
    return str(error)


@click.group(name="disentangled-audio")
def cli() -> None:
    """Commands of the project."""


# Named `run` because the packaged project looks for it under this name.
run = Run(name="run", params=kedro_run.params, callback=kedro_run.callback, help=kedro_run.help)
cli.add_command(run)
