"""The command `disentangled-audio`, and what the project adds to `kedro run`."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Kedro asks for these two. They are imported then, not with every command: Kedro writes lines
    # about its log on the output as soon as it is imported.
    if name in ("cli", "run"):
        from disentangled_audio.cli import kedro_commands

        return getattr(kedro_commands, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
