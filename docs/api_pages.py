"""Reference pages: a section for each module of a package, read from the docstrings."""

from pathlib import Path
from pkgutil import walk_packages

import disentangled_audio

PACKAGE = Path(disentangled_audio.__file__).parent
TITLES = {
    "signal": "Signal processing",
    "evaluation": "Evaluation",
    "models": "Models",
}


def write_api_pages(folder: Path) -> None:
    """Write `<package>.md` of every package that has a reference page."""
    folder.mkdir(exist_ok=True)
    for package, title in TITLES.items():
        modules = "\n".join(_section(name) for name in _modules(package))
        (folder / f"{package}.md").write_text(f"# {title}\n\n{modules}", encoding="utf-8")


def _modules(package: str) -> list[str]:
    prefix = f"{disentangled_audio.__name__}.{package}."
    found = walk_packages([str(PACKAGE / package)], prefix)
    return sorted(module.name for module in found if not module.ispkg)


def _section(module: str) -> str:
    return f"## `{module}`\n\n```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```\n"
