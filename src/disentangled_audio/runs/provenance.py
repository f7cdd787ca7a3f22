"""Hashes that tell to which corpus and split an artefact belongs.

Paths in the catalog keep corpora and protocols apart. Stamps also detect mixed versions, such as
features of an older ingestion beside newer splits.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus, Protocol
from disentangled_audio.storage.hashing import short_hash

if TYPE_CHECKING:
    import pandas as pd

STAMPS = ("corpus_hash", "split_hash")


def digest_of_sources(corpus: Corpus) -> str:
    """Hash of the sources and segments of a corpus, without licences and citations."""
    about_rights = {"licence", "citation"}
    sources = [source.model_dump(exclude=about_rights) for source in corpus.sources]
    return short_hash([*sources, *([corpus.segments.model_dump()] if corpus.segments else [])])


def stamp_of(artefact: Any) -> dict[str, str]:
    """Hashes carried by an artefact: a mapping, table, array or estimator."""
    if isinstance(artefact, Mapping):
        attributes = artefact
    else:
        attributes = getattr(artefact, "attrs", None) or getattr(artefact, "stamp_", {})
    return {name: attributes[name] for name in STAMPS if name in attributes}


def stamp(artefact: Any, *sources: Any) -> Any:
    """Mark an artefact (table, array or estimator) with the hashes of its sources."""
    hashes = check_same(*sources)
    if hasattr(artefact, "attrs"):
        artefact.attrs.update(hashes)
    else:
        artefact.stamp_ = hashes
    return artefact


def check_same(*artefacts: Any) -> dict[str, str]:
    """Stop if artefacts belong to different corpora or splits.

    Returns
    -------
    dict
        All hashes that at least one artefact carries.

    Raises
    ------
    UserError
        If two artefacts carry different hashes of the same kind.
    """
    hashes: dict[str, str] = {}
    for artefact in artefacts:
        for name, value in stamp_of(artefact).items():
            if hashes.setdefault(name, value) != value:
                raise UserError(
                    f"results of two runs are mixed: {name} {hashes[name]} and {value}. "
                    "Run the earlier pipelines again (kedro run), or choose matching versions "
                    "with --load-versions."
                )
    return hashes


def stamped_splits(recordings: "pd.DataFrame", protocol: Protocol, seed: int) -> "pd.DataFrame":
    """Make splits, with hashes that distinguish them from others."""
    from disentangled_audio.evaluation.splits import make_splits

    splits = stamp(make_splits(recordings, protocol, seed), recordings)
    splits.attrs["made_with"] = short_hash(protocol.model_dump())
    splits.attrs["split_hash"] = short_hash(
        splits[["recording_id", "target", "role"]].to_numpy().tolist()
    )
    return splits
