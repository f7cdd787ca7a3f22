"""Sources that the project makes itself."""

import logging
from pathlib import Path

from rich.progress import Progress

from disentangled_audio.corpora.simulate import generate_twin, twin_files
from disentangled_audio.parameters import TwinSource

logger = logging.getLogger(__name__)


def generated_files(source: TwinSource) -> dict[str, int]:
    """Channels of every file that a generator makes, by name, without making any."""
    return {name: group.n_channels for name, group in twin_files(source.files_per_group).items()}


def generated_folder(source: TwinSource, folder: Path) -> Path:
    """The folder with a generator's files; made once, below the given one."""
    size = "" if source.files_per_group is None else f"_{source.files_per_group}_per_group"
    target = folder / f"{source.generator}_seed{source.seed}{size}"
    if target.is_dir():
        return target
    logger.info("Generating the simulated recordings in %s, this once", target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with Progress(transient=True) as bar:
        task = bar.add_task("generating", total=None)
        generate_twin(
            target,
            seed=source.seed,
            files_per_group=source.files_per_group,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    return target
