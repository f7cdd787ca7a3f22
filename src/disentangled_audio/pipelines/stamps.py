"""Hashes that say to which corpus and split an artefact belongs.

Catalog paths keep corpora and protocols apart; the stamps catch what paths cannot see,
such as features of an older ingestion beside newer splits.
"""

import hashlib
import json
from typing import Any

from disentangled_audio.errors import UserError
from disentangled_audio.parameters import Corpus

STAMPS = ("corpus_hash", "split_hash")


def digest(content: Any) -> str:
    """Short SHA-256 of anything that JSON can hold."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def digest_of_sources(corpus: Corpus) -> str:
    """Of where a corpus's recordings come from, whatever their rights are said to be."""
    return digest([source.model_dump(exclude={"licence", "citation"}) for source in corpus.sources])


def stamp_of(artefact: Any) -> dict[str, str]:
    """Hashes that an artefact carries; tables, arrays and estimators each in their own way."""
    attributes = getattr(artefact, "attrs", None)
    if attributes is None:
        attributes = getattr(artefact, "stamp_", {})
    return {name: attributes[name] for name in STAMPS if name in attributes}


def stamp(artefact: Any, *sources: Any) -> Any:
    """Mark an artefact (table, array or estimator) with the hashes of what it was made from."""
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
        The hashes, each as carried by at least one of the artefacts.

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
                    f"artefacts of two runs are mixed: {name} {hashes[name]} and {value}. "
                    "Run the earlier pipelines again (kedro run), or choose matching versions "
                    "with --load-versions."
                )
    return hashes
