"""The command `disentangled-audio`, for people who do not know Kedro."""

import logging
from pathlib import Path
from typing import Any

import click

from disentangled_audio import __version__
from disentangled_audio.cli.classify import classify, export
from disentangled_audio.cli.init_corpus import init_corpus
from disentangled_audio.cli.runs import compare, runs
from disentangled_audio.cli.suggest import suggest


class _Commands(click.Group):
    """Commands that show errors in one line instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; report an unexpected error as a fault of the program."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, OSError):
            raise
        except Exception as error:
            if ctx.params["debug"]:
                raise
            raise click.ClickException(
                f"{type(error).__name__}: {error}. This is a fault of the program; "
                "disentangled-audio --debug … shows where it occurs"
            ) from error


@click.group(
    name="disentangled-audio",
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""Run it in the project's folder, or name the folder: --project PATH.

\b
Exit codes: 0 done, 1 not possible, 2 wrong usage.

\b
Examples:
  disentangled-audio classify clap.wav
  disentangled-audio --project ~/birds runs
""",
)
@click.option("--debug", is_flag=True, help="Show where an unexpected error comes from.")
@click.option(
    "--project",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="PATH",
    help="The project's folder; by default the current one.",
)
@click.version_option(__version__, message="%(prog)s %(version)s", prog_name="disentangled-audio")
@click.pass_context
def app(context: click.Context, debug: bool, project: Path | None) -> None:
    """Classify recordings with trained models, and compare trained runs."""
    # Kedro prints its logging configuration as soon as it is imported.
    logging.disable(logging.INFO)
    context.call_on_close(lambda: logging.disable(logging.NOTSET))


for _command in (classify, suggest, runs, compare, export, init_corpus):
    app.add_command(_command)
