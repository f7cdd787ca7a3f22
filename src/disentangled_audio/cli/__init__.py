"""The command `disentangled-audio`, and the project's own `kedro run`."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Kedro looks for its commands here. Importing them configures Kedro's log, which would print
    # a notice before `disentangled-audio` can silence it.
    if name in {"cli", "run"}:
        from disentangled_audio.cli import kedro_commands

        return getattr(kedro_commands, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
