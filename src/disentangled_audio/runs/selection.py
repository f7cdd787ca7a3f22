"""Resolvers that select a corpus and a protocol from the project or from a user's file."""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError
from disentangled_audio.parameters.names import checked_name, shown
from disentangled_audio.storage.yaml_files import read_yaml

DATA_VARIABLE = "DISENTANGLED_AUDIO_DATA"
SECTIONS = ("corpora", "protocols")
# For labelled parts in a file without protocols.
_BY_LABEL = "by_label"
_KEYS = {"corpora": "corpus_name", "protocols": "protocol_name"}


def data_folder() -> str:
    """Folder of recordings outside the project, or an empty string."""
    return os.environ.get(DATA_VARIABLE, "")


def selected_name(section: str, corpus_file: str, asked: str, default: str) -> str:
    """Name of the selected corpus or protocol, which is part of paths in the catalog.

    Parameters
    ----------
    section : {"corpora", "protocols"}
    corpus_file : str
        A user's file, or an empty string.
    asked : str
        Name given for this run, or an empty string.
    default : str
        The environment's choice; the first entry of a user's file overrides it. Without protocols,
        labels of `segments` in its first corpus are the classes.

    Raises
    ------
    UserError
        If nothing is selected, or a name or the user's file cannot be used.
    """
    own = _read(corpus_file)[section] if corpus_file else {}
    if asked:
        return checked_name(asked, f"{_KEYS[section]} in --params")
    if section == "protocols" and not own and corpus_file and _is_segmented(corpus_file):
        default = _BY_LABEL
    name = next(iter(own), default)
    if not name:
        raise UserError(
            "this environment needs a description of your recordings: "
            "--params=corpus_file=my_corpus.yml (docs/recordings.md)"
        )
    return name if own else checked_name(name, f"{_KEYS[section]} in globals.yml")


def _is_segmented(corpus_file: str) -> bool:
    first = next(iter(_read(corpus_file)["corpora"].values()))
    return isinstance(first, Mapping) and bool(first.get("segments"))


def selected_definition(section: str, corpus_file: str, name: str, known: Mapping[str, Any]) -> Any:
    """Definition of the selected corpus or protocol.

    Raises
    ------
    UserError
        If the name is unknown, or a name breaks the rule.
    """
    from omegaconf import OmegaConf

    own = _read(corpus_file)[section] if corpus_file else {}
    for other in known:
        checked_name(other, f"{section} in conf")
    if name in own:
        # A node: Kedro would replace a dict if --params sets single values of it.
        return OmegaConf.create(own[name])
    if name not in known:
        names = ", ".join(map(str, [*own, *known]))
        raise UserError(f"{shown(name)} is not one of the {section}: {names}")
    return known[name]


def values_of_kind(
    kinds: Mapping[str, Any], wanted: str, asked: str, described: Mapping[str, Any]
) -> Any:
    """Groups of parameters that suit a kind of recordings.

    Parameters
    ----------
    kinds : mapping
        Groups of values by kind; `other` stands for every kind that is not named.
    wanted : str
        A kind, or "corpus" for that of the corpus.
    asked : str
        Kind of the corpus given for this run, or an empty string.
    described : mapping
        Definition of the corpus.
    """
    kind = (asked or described.get("kind")) if wanted == "corpus" else wanted
    return kinds[kind if kind in kinds else "other"]


def selected_corpus(described: Any, of_kind: Mapping[str, Any], protocol: Mapping[str, Any]) -> Any:
    """Definition of the corpus, with the analysis of its kind and of the protocol.

    The protocol's values replace those of the corpus, which replace those of its kind.

    Parameters
    ----------
    described : DictConfig
        Definition of the corpus.
    of_kind : mapping
        Values of the analysis that suit the kind of the corpus.
    protocol : mapping
        Definition of the protocol.
    """
    from omegaconf import OmegaConf

    asked = protocol.get("analysis")
    if not asked and not of_kind:
        # The node itself, in which Kedro can set single values from --params.
        return described
    # Resolved, because interpolations of a copy would point nowhere.
    resolved = OmegaConf.to_container(described, resolve=True)
    return OmegaConf.merge({"analysis": of_kind}, resolved, {"analysis": asked or {}})


def clips_folder(
    corpus_file: str, corpus: str, protocol: str, own_analysis: Mapping[str, Any]
) -> str:
    """Folder of clips: that of the corpus, or of a protocol that needs other clips."""
    own = _read(corpus_file)["protocols"].get(protocol) if corpus_file else None
    needs = protocol in own_analysis if own is None else bool(own.get("analysis"))
    return f"{corpus}/{protocol}" if needs else corpus


@cache
def _read(corpus_file: str) -> dict[str, dict[str, Any]]:
    path = Path(corpus_file).expanduser()
    try:
        content = read_yaml(path)
    except OSError as error:
        raise UserError(f"corpus file {path.absolute()}: {error.strerror}") from error
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
    """Entries of a section, with names checked as folders."""
    origin = f"{section} in corpus file {path}"
    named = {checked_name(name, origin): entry for name, entry in entries.items()}
    if len(named) < len(entries):
        raise UserError(f"{origin}: two names differ only in how Unicode writes them")
    return named
