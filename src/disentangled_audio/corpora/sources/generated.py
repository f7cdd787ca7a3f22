"""Sources that the project generates itself."""

import logging
from pathlib import Path

from rich.progress import Progress

from disentangled_audio.corpora.generators.factors import factors_files, generate_factors
from disentangled_audio.corpora.generators.twin_table import twin_files
from disentangled_audio.parameters import FactorsSource, Source, TwinSource

logger = logging.getLogger(__name__)

# Increased when a generator changes, so that files of an older version are not reused.
TWIN_VERSION = 2
FACTORS_VERSION = 2
# Settings that do not affect the files; sources that differ only in these share their files.
_IRRELEVANT = set(Source.model_fields) | {"generator"}


def generated_files(source: TwinSource | FactorsSource) -> dict[str, int]:
    """Give the number of channels of every file of a generator, by name, without generating any."""
    if isinstance(source, FactorsSource):
        return dict.fromkeys(factors_files(source), 1)
    return {name: group.n_channels for name, group in twin_files(source.files_per_group).items()}


def generated_folder(source: TwinSource | FactorsSource, folder: Path) -> Path:
    """Name the folder of a generator's files after the settings that differ from the defaults."""
    if isinstance(source, TwinSource):
        size = source.files_per_group
        chosen = "" if size is None else f"_{size}_per_group"
        return folder / f"twin{TWIN_VERSION}_seed{source.seed}{chosen}"
    settings = source.model_dump(exclude=_IRRELEVANT | {"seed"}, exclude_defaults=True)
    chosen = "".join(f"_{key}{value:g}" for key, value in settings.items())
    return folder / f"factors{FACTORS_VERSION}_seed{source.seed}{chosen}"


def generate(source: TwinSource | FactorsSource, folder: Path) -> Path:
    """Generate the files of a source below a folder; gives their folder."""
    target = generated_folder(source, folder)
    logger.info("Generating simulated recordings, only once: %s", target.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with Progress(transient=True) as bar:
        task = bar.add_task("generating", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        if isinstance(source, FactorsSource):
            generate_factors(target, source, progress)
            return target
        # Imported here, because its filters take a second to import.
        from disentangled_audio.corpora.generators.twin import generate_twin

        n_files = source.files_per_group
        generate_twin(target, seed=source.seed, files_per_group=n_files, progress=progress)
    return target
