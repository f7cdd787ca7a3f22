"""Resolvers that select a corpus and a protocol, from the project's own or from a user's file."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError
from disentangled_audio.parameters.names import checked_name, shown

DATA_VARIABLE = "DISENTANGLED_AUDIO_DATA"
SECTIONS = ("corpora", "protocols")
_KEYS = {"corpora": "corpus_name", "protocols": "protocol_name"}


def data_folder() -> str:
    """Folder with recordings that the user keeps elsewhere, or an empty string."""
    return os.environ.get(DATA_VARIABLE, "")


def selected_name(section: str, corpus_file: str, asked: str, default: str) -> str:
    """Name of the selected corpus or protocol; it is part of the paths in the catalog.

    Parameters
    ----------
    section : {"corpora", "protocols"}
    corpus_file : str
        A user's file, or an empty string.
    asked : str
        Name given for this run, or an empty string.
    default : str
        The environment's choice. A user's file comes before it: its first entry is meant.

    Raises
    ------
    UserError
        If nothing is selected, the name breaks the rule for names, or the user's file cannot be
        used.
    """
    own = _read(corpus_file)[section] if corpus_file else {}
    if asked:
        return checked_name(asked, f"{_KEYS[section]} in --params")
    name = next(iter(own), default)
    if not name:
        raise UserError(
            "this environment needs a description of your recordings: "
            "--params=corpus_file=my_corpus.yml (docs/recordings.md)"
        )
    return name if own else checked_name(name, f"{_KEYS[section]} in globals.yml")


def selected_definition(section: str, corpus_file: str, name: str, known: Mapping[str, Any]) -> Any:
    """Definition of the selected corpus or protocol.

    Raises
    ------
    UserError
        If there is none of this name; lists those that exist. If a name breaks the rule.
    """
    from omegaconf import OmegaConf

    own = _read(corpus_file)[section] if corpus_file else {}
    for other in known:
        checked_name(other, f"{section} in conf")
    if name in own:
        # A node, because Kedro replaces a dict where --params asks for single values of it.
        return OmegaConf.create(own[name])
    if name not in known:
        names = ", ".join(map(str, [*own, *known]))
        raise UserError(f"{shown(name)} is not one of the {section}: {names}")
    return known[name]


def selected_corpus(
    corpus_file: str, name: str, known: Mapping[str, Any], protocol: Mapping[str, Any]
) -> Any:
    """Definition of the selected corpus, with the analysis that the protocol asks for.

    Raises
    ------
    UserError
        If there is none of this name; lists those that exist.
    """
    from omegaconf import OmegaConf

    corpus = selected_definition("corpora", corpus_file, name, known)
    asked = protocol.get("analysis")
    if not asked:
        # The node itself: Kedro can set single values of it, as --params asks.
        return corpus
    # Resolved, because a copy has lost what its interpolations point to.
    config = corpus if OmegaConf.is_config(corpus) else OmegaConf.create(corpus)
    resolved = OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    return OmegaConf.merge(resolved, {"analysis": asked})


def clips_folder(
    corpus_file: str, corpus: str, protocol: str, own_analysis: Mapping[str, Any]
) -> str:
    """Where clips are kept: with the corpus, or with a protocol that needs clips of its own."""
    own = _read(corpus_file)["protocols"].get(protocol) if corpus_file else None
    needs = protocol in own_analysis if own is None else bool(own.get("analysis"))
    return f"{corpus}/{protocol}" if needs else corpus


@cache
def _read(corpus_file: str) -> dict[str, dict[str, Any]]:
    import yaml

    path = Path(corpus_file).expanduser()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"corpus file {path.absolute()}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"corpus file {path} is not valid YAML: {error}") from error
    corpora = content.get("corpora") if isinstance(content, dict) else None
    if not corpora or not isinstance(corpora, dict):
        raise UserError(
            f"corpus file {path} has no section 'corpora' (docs/recordings.md has an example)"
        )
    unknown = sorted(str(key) for key in content if key not in SECTIONS)
    if unknown:
        raise UserError(
            f"corpus file {path}: unknown section {', '.join(unknown)}; "
            f"allowed are {' and '.join(SECTIONS)}"
        )
    sections = {section: content.get(section) or {} for section in SECTIONS}
    if not isinstance(sections["protocols"], dict):
        raise UserError(f"corpus file {path}: 'protocols' must give each protocol a name")
    return {section: _named(path, section, entries) for section, entries in sections.items()}


def _named(path: Path, section: str, entries: dict[Any, Any]) -> dict[Any, Any]:
    """Entries of a section under names that may become folders."""
    origin = f"{section} in corpus file {path}"
    named = {checked_name(name, origin): entry for name, entry in entries.items()}
    if len(named) < len(entries):
        raise UserError(f"{origin}: two names differ only in how Unicode writes them")
    return named
