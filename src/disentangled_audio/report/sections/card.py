"""The model card: intended use, limits, licences and citations."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from disentangled_audio.evaluation.scores.summary import PRETRAINED_HYBRID
from disentangled_audio.models.bank import PRETRAINED
from disentangled_audio.parameters import Corpus
from disentangled_audio.report import blocks
from disentangled_audio.report.commands import of_runs
from disentangled_audio.report.names import in_sentence, label, pretrained_facts
from disentangled_audio.report.sentences import cautions, main_model

MOST_SOURCES = 4
NOT_FOR = (
    "Do not use the models for decisions about people. Do not use them on recordings from other "
    "equipment, places or people than those of the corpus, unless a protocol that holds these out "
    "shows that they still work."
)


def card_section(
    metrics: Mapping[str, Any],
    recordings: pd.DataFrame,
    corpus: Corpus,
    facts: Mapping[str, Any],
    options: str,
) -> dict[str, Any]:
    """State what the models are for; `facts` and `options` are of the run that predicted."""
    return {
        "blocks": {
            "card": [
                *_use(metrics, facts, options),
                blocks.heading("Limits"),
                blocks.sentences(_limits(metrics)),
                blocks.heading("Recordings, licences and citations"),
                blocks.facts(_rights(metrics["corpus"], corpus, rights_of(recordings))),
                *_pretrained(facts.get("pretrained")),
            ]
        }
    }


def rights_of(recordings: pd.DataFrame) -> list[dict[str, Any]]:
    """List each licence and citation once, with the sources it applies to."""
    # A path begins with the name of its source.
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
        f"The models recognise {metrics['target']} in recordings made like those of "
        f"{metrics['corpus']}, and show what each representation contains. Models: "
        f"{', '.join(map(label, models))}."
    )
    if facts["can_classify"]:
        how = "To use them on your own recordings:"
        line = f"disentangled-audio classify PATH --model {facts['run_id']}"
    else:
        how = (
            "This run did not train everything that is needed to classify your own recordings. To "
            "train it:"
        )
        line = f"kedro run{of_runs(options)}"
    return [
        blocks.heading("Intended use"),
        blocks.text(f"{purpose} {how}"),
        blocks.command(line),
        blocks.text(NOT_FOR),
    ]


def _pretrained(weights: Mapping[str, Any] | None) -> list[blocks.Block]:
    if not weights:
        return []
    used = "; ".join(map(label, [*sorted(PRETRAINED), PRETRAINED_HYBRID]))
    return [
        blocks.heading("Pretrained weights"),
        blocks.text(
            f"These models use weights that were trained elsewhere: {used}. All others learned "
            "from the recordings above alone. New recordings are classified by "
            f"{in_sentence(PRETRAINED_HYBRID)}."
        ),
        blocks.facts(pretrained_facts(weights)),
    ]


def _limits(metrics: Mapping[str, Any]) -> list[Any]:
    return [
        *cautions(metrics),
        f"The scores come from the {metrics['n_test']} test items of one split. Confidence is "
        "calibrated on recordings like these and means little for others.",
        {
            "text": "How well the label can be predicted without listening is in the",
            "link": "shortcut audit",
            "to": "audit",
        },
    ]


def _rights(
    name: str, corpus: Corpus, rights: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    about = f"{name}: {corpus.description}" if corpus.description else name
    facts = [("corpus", about)]
    for right in rights:
        if len(rights) > 1:
            listed = ", ".join(right["sources"][:MOST_SOURCES])
            n_more = len(right["sources"]) - MOST_SOURCES
            facts.append(("recordings in", f"{listed} and {n_more} more" if n_more > 0 else listed))
        facts.append(("licence", right["licence"] or "not stated"))
        facts.append(("citation", right["citation"] or "not stated"))
    return facts
