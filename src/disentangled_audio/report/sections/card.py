"""The model card: intended use, limits, and whose the recordings are."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from disentangled_audio.parameters import Corpus
from disentangled_audio.report import blocks
from disentangled_audio.report.commands import of_runs
from disentangled_audio.report.names import label
from disentangled_audio.report.sentences import cautions, main_model

MOST_SOURCES = 4
NOT_FOR = (
    "Not for decisions about people, and not for recordings made with other equipment, in other "
    "places or by other people than those of the corpus, unless a protocol that holds these out "
    "says how far it carries."
)


def card_section(
    metrics: Mapping[str, Any],
    recordings: pd.DataFrame,
    corpus: Corpus,
    facts: Mapping[str, Any],
    options: str,
) -> dict[str, Any]:
    """What the models are for.

    Parameters
    ----------
    metrics : mapping
    recordings : DataFrame
    corpus : Corpus
    facts : mapping
        Of the run that made the predictions: ``run_id`` and ``can_classify``.
    options : str
        Those of the run, as they were typed.
    """
    return {
        "blocks": {
            "card": [
                *_use(metrics, facts, options),
                blocks.heading("Limits"),
                blocks.sentences(_limits(metrics)),
                blocks.heading("Recordings, licences and citations"),
                blocks.facts(_rights(metrics["corpus"], corpus, rights_of(recordings))),
            ]
        }
    }


def rights_of(recordings: pd.DataFrame) -> list[dict[str, Any]]:
    """Each licence and citation once, with the sources of recordings that it is of."""
    # A path begins with what its source is called.
    source = recordings["path"].str.partition("/")[0]
    rights = source.groupby(
        [recordings["licence"], recordings["citation"]], dropna=False, sort=False
    )
    return [
        {
            "licence": None if pd.isna(licence) else licence,
            "citation": None if pd.isna(citation) else citation,
            "sources": sorted(sources.unique()),
        }
        for (licence, citation), sources in rights
    ]


def _use(metrics: Mapping[str, Any], facts: Mapping[str, Any], options: str) -> list[blocks.Block]:
    main = main_model(metrics)
    models = [main, *(name for name in metrics["models"] if name != main)]
    purpose = (
        f"Naming the {metrics['target']} of recordings that were made as those of "
        f"{metrics['corpus']} were, and studying what each representation of them carries. The "
        f"models: {', '.join(map(label, models))}."
    )
    if facts["can_classify"]:
        how = "To use them on recordings of your own:"
        line = f"disentangled-audio classify PATH --model {facts['run_id']}"
    else:
        how = (
            "That run made only a part of what naming recordings of your own needs. To make all of "
            "it:"
        )
        line = f"kedro run{of_runs(options)}"
    return [
        blocks.heading("Intended use"),
        blocks.text(f"{purpose} {how}"),
        blocks.command(line),
        blocks.text(NOT_FOR),
    ]


def _limits(metrics: Mapping[str, Any]) -> list[Any]:
    return [
        *cautions(metrics),
        f"Scores are of the {metrics['n_test']} test items of one split. Confidence is calibrated "
        "on recordings like these and means little for others.",
        {
            "text": "What the label can be told from beside the sound is in the",
            "link": "shortcut audit",
            "to": "audit",
        },
    ]


def _rights(
    name: str, corpus: Corpus, rights: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    about = f"{name}: {corpus.description}" if corpus.description else name
    told = [("corpus", about)]
    for right in rights:
        if len(rights) > 1:
            listed = ", ".join(right["sources"][:MOST_SOURCES])
            n_more = len(right["sources"]) - MOST_SOURCES
            told.append(("recordings in", f"{listed} and {n_more} more" if n_more > 0 else listed))
        told.append(("licence", right["licence"] or "not stated"))
        told.append(("citation", right["citation"] or "not stated"))
    return told
