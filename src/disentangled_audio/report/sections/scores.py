"""Sections of the question, the answer, models beside shortcuts and baselines, and confusions."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from disentangled_audio.evaluation.shortcuts.controls import by_heading
from disentangled_audio.parameters import Corpus
from disentangled_audio.report import blocks, figures
from disentangled_audio.report.media import picture
from disentangled_audio.report.names import EXPLANATIONS, label, named_scores
from disentangled_audio.report.sentences import (
    answer,
    capital,
    cautions,
    interval,
    main_model,
    number_text,
)

TRAINED = (
    "Each model has a confusion matrix, precision and recall by class, and F1 by class, as in the "
    "original report."
)
CONTROLS = (
    "A shortcut sees only circumstances of a recording, such as the size of its file or the noise "
    "in its pauses. A score that a shortcut also reaches proves nothing: the model may have used "
    "the shortcut. A simple baseline hears the sound, but only its first 5 ms or its long-term "
    "spectrum. A model that does no better is not needed."
)
MEASURES = (
    "Balanced accuracy is the mean recall over the classes that have test items. Calibration error "
    "is the mean distance between confidence and accuracy; 0 is best."
)
COLUMNS = (
    *("name", "balanced accuracy", "accuracy", "macro F1", "log loss (nats)", "calibration error"),
)


def scores_section(
    metrics: Mapping[str, Any],
    classification_report: pd.DataFrame,
    confusion: pd.DataFrame,
    recordings: pd.DataFrame,
    corpus: Corpus,
    plotted: Sequence[str],
) -> dict[str, Any]:
    """Give the title of the page and its first sections; models in `plotted` have figures."""
    simulated = bool(metrics["simulated"] or corpus.simulated)
    main = main_model(metrics)
    models = [main, *(name for name in metrics["models"] if name != main)]
    tables = (classification_report, confusion)
    return {
        "title": (
            f"Classifying {metrics['target']} in {metrics['corpus']} "
            f"({'simulated' if simulated else 'real'} recordings)"
        ),
        "blocks": {
            "asked": _asked(metrics, _counts(recordings), corpus.description, simulated=simulated),
            "answer": _answer(metrics),
            "comparison": _comparison(metrics, models),
            "models": [
                blocks.text(TRAINED),
                *(
                    block
                    for name in models
                    for block in _model(name, metrics, *tables, has_figures=name in plotted)
                ),
            ],
        },
    }


def _counts(recordings: pd.DataFrame) -> dict[str, int]:
    kinds = recordings["kind"].value_counts()
    return {
        "files": int(recordings["path"].nunique()),
        "items": len(recordings),
        **{f"items of kind {kind}": int(number) for kind, number in kinds.items()},
    }


def _asked(
    metrics: Mapping[str, Any],
    counts: Mapping[str, int],
    description: str | None,
    *,
    simulated: bool,
) -> list[blocks.Block]:
    classes = metrics.get("classes") or []
    of_classes = f", one of {len(classes)}: {', '.join(classes)}" if classes else ""
    of_roles = (
        f"{metrics['n_train']} training, {metrics['n_validation']} validation and "
        f"{metrics['n_test']} test items"
    )
    facts: list[tuple[str, blocks.Text]] = [
        ("question", ["the ", metrics["target"], f" of each recording{of_classes}"]),
        ("corpus", f"{metrics['corpus']}, {'simulated' if simulated else 'real'} recordings"),
        *((what, str(number)) for what, number in counts.items()),
        ("protocol", f"{metrics['protocol']}: {of_roles}"),
    ]
    return [*([blocks.text(description)] if description else []), blocks.facts(facts)]


def _answer(metrics: Mapping[str, Any]) -> list[blocks.Block]:
    found = cautions(metrics)
    warning = [blocks.caution("Read with care", found)] if found else []
    return [blocks.text(answer(metrics), "answer"), *warning]


def _comparison(metrics: Mapping[str, Any], models: Sequence[str]) -> list[blocks.Block]:
    shown = named_scores(metrics)
    resampled = "groups" if metrics.get("resampled") == "group" else "items"
    explained = _explained(models)
    inputs = [
        block
        for heading, controls in by_heading(metrics["controls"]).items()
        for block in (blocks.heading(capital(f"{heading}s")), blocks.facts(_explained(controls)))
    ]
    return [
        blocks.text(CONTROLS),
        blocks.picture_block(picture(figures.comparison(metrics), _comparison_text(shown))),
        blocks.table(
            COLUMNS,
            _score_rows(shown),
            f"Test items only; 95 % bootstrap intervals in brackets, from resampled {resampled}.",
            classes=_row_classes(shown),
        ),
        blocks.text(MEASURES, "note"),
        *([blocks.facts(explained)] if explained else []),
        *(
            [blocks.folded("What each shortcut and baseline sees", inputs)]
            if metrics["controls"]
            else []
        ),
    ]


def _explained(names: Collection[str]) -> list[tuple[str, str]]:
    return [(label(name), text) for name, text in EXPLANATIONS.items() if name in names]


def _comparison_text(shown: Mapping[str, Any]) -> str:
    scores = [
        f"{name} ({part}) {number_text(row['balanced_accuracy'])}"
        for part, name, row in _rows(shown)
    ]
    return "Balanced accuracy: " + ", ".join(scores) + "."


def _rows(shown: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """What a row of the table is, its name, and its scores."""
    for name, row in shown["models"].items():
        yield "model", name, row
    for name, row in shown["controls"].items():
        yield row["heading"], name, row


def _score_rows(shown: Mapping[str, Any]) -> Iterator[list[str]]:
    for part, name, row in _rows(shown):
        yield [
            name if part == "model" else f"{name} ({part})",
            *(
                interval(row, measure).replace("95 % interval ", "")
                for measure in ("balanced_accuracy", "accuracy")
            ),
            *(number_text(row.get(measure)) for measure in ("macro_f1", "log_loss", "ece")),
        ]


def _row_classes(shown: Mapping[str, Any]) -> list[str]:
    parts = [part for part, _, _ in _rows(shown)]
    return [
        "" if part == "model" else "control" if part == before else "control first-control"
        for before, part in zip(["", *parts], parts, strict=False)
    ]


def _model(
    name: str,
    metrics: Mapping[str, Any],
    classification_report: pd.DataFrame,
    confusion: pd.DataFrame,
    *,
    has_figures: bool,
) -> Iterator[blocks.Block]:
    shown = label(name)
    yield blocks.heading(shown)
    if has_figures:
        drawn = figures.of_model(
            confusion, classification_report, name, simulated=metrics["simulated"]
        )
        for figure, words in zip(drawn, _figure_texts(shown), strict=True):
            yield blocks.picture_block(picture(figure, words))
    yield blocks.text(_common_errors(confusion[confusion["model"] == name]))
    rows = classification_report[classification_report["model"] == name]
    if len(rows):
        yield blocks.data_table(
            rows.drop(columns="model"),
            f"{shown} by class, test items; – if a class was never predicted or has no items",
        )
    kinds = metrics["models"][name].get("per_kind", {})
    measures = ("balanced_accuracy", "accuracy")
    # A single kind would only repeat the score.
    if len(kinds) > 1:
        yield blocks.table(
            ("kind", "items", "balanced accuracy", "accuracy"),
            (
                [kind, str(row["n"]), *(number_text(row[name]) for name in measures)]
                for kind, row in kinds.items()
            ),
            f"{shown} by kind of recording",
        )


def _figure_texts(shown: str) -> tuple[str, str, str]:
    return (
        f"Confusion matrix of {shown}: true classes in rows, predicted classes in columns.",
        f"Precision and recall of {shown} by class, as in the table below.",
        f"F1 of {shown} by class, as in the table below.",
    )


def _common_errors(confusion: pd.DataFrame) -> str:
    """Name the most frequent confusions."""
    wrong = confusion[(confusion["target"] != confusion["predicted"]) & (confusion["count"] > 0)]
    if wrong.empty:
        return "No test item was mistaken for another class."
    totals = confusion.groupby("target")["count"].sum()
    listed = [
        f"{row['target']} mistaken for {row['predicted']} "
        f"({row['count']} of {totals[row['target']]})"
        for row in wrong.nlargest(3, "count").to_dict("records")
    ]
    return "Most frequent errors: " + "; ".join(listed) + "."
