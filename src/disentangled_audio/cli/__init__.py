"""The command `disentangled-audio`, and what the project adds to `kedro run`."""

from disentangled_audio.cli.kedro_commands import cli, run

__all__ = ["cli", "run"]
