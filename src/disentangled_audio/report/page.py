"""One self-contained HTML page: the answer first, then what it rests on."""

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from disentangled_audio.plots.classification import (
    comparison_figure,
    confusion_matrix_figure,
    f1_figure,
    precision_recall_figure,
)
from disentangled_audio.plots.training import training_curves_figure
from disentangled_audio.report.media import picture
from disentangled_audio.report.sentences import (
    MODEL_WORDS,
    answer,
    cautions,
    interval,
    main_model,
    number_text,
)
from disentangled_audio.storage.values import flatten

TEMPLATE = "page.html"
COMPARISON, TRAINING = "comparison", "training_curves"
# Name of a figure and its alternative text; those of single models end in the model's name.
TEXTS = {
    TRAINING: "Loss terms by epoch, training and validation; best epoch and refit are marked.",
    "audit": "Balanced accuracy of each shortcut control over all folds.",
    "confidence": (
        "Reliability of the hybrid before and after calibration, and error rate by share of items "
        "kept."
    ),
    "ablation": "Weight of each member, and what the hybrid loses without it.",
    "latent_map": "First two principal components of each code, coloured by each factor.",
}
MODEL_FIGURES = {
    "confusion_matrix": "Confusion matrix of {model}: true classes in rows, predicted in columns.",
    "precision_recall": "Precision and recall of {model} by class, as in the table below.",
    "f1": "F1 of {model} by class, as in the table below.",
}
# The sections, in the order in which one asks.
SECTIONS = {
    "asked": "What was asked",
    "answer": "The answer",
    "comparison": "Models against controls",
    "models": "The three plots of each model",
    "audit": "Shortcut audit",
    "disentanglement": "What the codes say",
    "latent": "Maps of the codes",
    "swaps": "Swaps to hear",
    "reliability": "Reliability",
    "rejected": "What was rejected",
    "mistakes": "The most confident mistakes",
    "ablation": "Ablation",
    "parameters": "Parameters, versions, times",
    "card": "Model card",
}
MOST_ROWS = 50


def report_figures(
    metrics: Mapping[str, Any],
    classification_report: pd.DataFrame,
    confusion: pd.DataFrame,
    history: pd.DataFrame | None = None,
    models: Collection[str] | None = None,
) -> dict[str, Figure]:
    """Draw every figure of the report, under the names that `render_report` looks for.

    Parameters
    ----------
    metrics : mapping
        The `metrics` schema.
    classification_report : DataFrame
        Columns ``model, class, precision, recall, f1, support``.
    confusion : DataFrame
        Columns ``model, target, predicted, count``.
    history : DataFrame, optional
        The training history.
    models : names, optional
        Models that get figures of their own; all by default.

    Returns
    -------
    dict
        ``comparison``, ``training_curves`` (with a history), and for each model
        ``confusion_matrix_<model>``, ``precision_recall_<model>`` and ``f1_<model>``.
    """
    simulated = bool(metrics["simulated"])
    figures = {COMPARISON: comparison_figure(metrics)}
    if history is not None:
        figures[TRAINING] = training_curves_figure(history, simulated=simulated)
    for model in models or metrics["models"]:
        figures[f"confusion_matrix_{model}"] = confusion_matrix_figure(
            confusion, model, simulated=simulated
        )
        figures[f"precision_recall_{model}"] = precision_recall_figure(
            classification_report, model, simulated=simulated
        )
        figures[f"f1_{model}"] = f1_figure(classification_report, model, simulated=simulated)
    return figures


def render_report(
    metrics: Mapping[str, Any],
    classification_report: pd.DataFrame,
    confusion: pd.DataFrame,
    rejected: pd.DataFrame,
    facts: Mapping[str, Any],
    parameters: Mapping[str, Any],
    figures: Mapping[str, Figure],
    parts: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Render the report as one HTML page with nothing outside it.

    Parameters
    ----------
    metrics : mapping
        The `metrics` schema; ``n_test_groups`` adds the number of groups.
    classification_report : DataFrame
        Columns ``model, class, precision, recall, f1, support``.
    confusion : DataFrame
        Columns ``model, target, predicted, count``.
    rejected : DataFrame
        Files that were not analysed, with the reason; any columns.
    facts : mapping
        Of the corpus: ``description`` (text), ``rights`` (``licence``, ``citation`` and
        ``sources`` of each part), ``findings`` (sentences on its integrity), ``verdict``
        (sentences of the audit), ``simulated`` (bool), ``counts`` (what to how many).
        Of the run that made the models: ``run_id``, ``git``, ``python``, ``machine``,
        ``packages``, ``options`` (as they were typed), ``seconds`` by step. Of the one that writes
        the page: ``written_by``, its run id.
        Each may be missing.
    parameters : mapping
        Nested parameters of the run that made the models.
    figures : mapping
        Name to figure: ``comparison``, ``training_curves``, ``audit``, ``confidence``,
        ``ablation``, ``latent_map``, ``confusion_matrix_<model>``, ``precision_recall_<model>``,
        ``f1_<model>``. Missing ones are left out.
    parts : mapping, optional
        What other pipelines give: ``codes``, ``folds``, ``mistakes``, ``confidence``. Where one is
        missing its section says how to get it.

    Returns
    -------
    str
        HTML. All text from outside is escaped.

    Raises
    ------
    ValueError
        If the metrics have no model.
    """
    main = main_model(metrics)
    models = [main, *(name for name in metrics["models"] if name != main)]
    texts = TEXTS | {
        COMPARISON: _comparison_text(metrics),
        **{
            f"{kind}_{name}": text.format(model=name)
            for kind, text in MODEL_FIGURES.items()
            for name in models
        },
    }
    seconds = facts.get("seconds") or metrics.get("seconds") or {}
    options = shlex.split(facts.get("options") or "")
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            sections=SECTIONS,
            metrics=metrics,
            facts=facts,
            options=_typed(options),
            options_of_script=_typed(_options_of_script(options)),
            simulated=bool(metrics["simulated"] or facts.get("simulated")),
            main=main,
            answer=answer(metrics),
            cautions=cautions(metrics),
            pictures={name: picture(figures[name], texts[name]) for name in figures},
            scores=_score_rows(metrics),
            explained={name: what for name, what in MODEL_WORDS.items() if name in models},
            models=[
                _model_part(name, metrics, classification_report, confusion) for name in models
            ],
            rejected=_table(rejected),
            parameters=[(name, str(value)) for name, value in flatten(parameters).items()],
            seconds=sorted(seconds.items(), key=lambda step: -step[1]),
            parts=parts or {},
        )
    )


def _options_of_script(words: Iterable[str]) -> Iterator[str]:
    """Environment and parameters as the project's scripts take them, which `kedro run` took."""
    for word in words:
        name, _, value = word.partition("=")
        if name == "--env":
            yield word
        elif name == "--params":
            yield from [name, *value.split(",")]


def _typed(words: Iterable[str]) -> str:
    """Options to put behind a command, quoted as a shell needs them."""
    return "".join(f" {shlex.quote(word)}" for word in words)


def _comparison_text(metrics: Mapping[str, Any]) -> str:
    named = [
        f"{part} {name} {number_text(row['balanced_accuracy'])}"
        for part, rows in (("model", metrics["models"]), ("control", metrics["controls"]))
        for name, row in rows.items()
    ]
    return "Balanced accuracy of models and controls: " + ", ".join(named) + "."


def _score_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "is_control": part == "controls",
            "balanced_accuracy": _short_interval(row, "balanced_accuracy"),
            "accuracy": _short_interval(row, "accuracy"),
            "macro_f1": number_text(row.get("macro_f1")),
            "log_loss": number_text(row.get("log_loss")),
            "ece": number_text(row.get("ece")),
        }
        for part in ("models", "controls")
        for name, row in metrics[part].items()
    ]


def _short_interval(row: Mapping[str, Any], measure: str) -> str:
    return interval(row, measure).replace("95 % interval ", "")


def _model_part(
    model: str,
    metrics: Mapping[str, Any],
    classification_report: pd.DataFrame,
    confusion: pd.DataFrame,
) -> dict[str, Any]:
    rows = classification_report[classification_report["model"] == model]
    kinds = metrics["models"][model].get("per_kind", {})
    return {
        "name": model,
        "figures": [f"{kind}_{model}" for kind in MODEL_FIGURES],
        "errors": _common_errors(confusion[confusion["model"] == model]),
        "classes": _table(rows.drop(columns="model")),
        # With a single kind the row would only repeat the score.
        "kinds": kinds if len(kinds) > 1 else {},
    }


def _common_errors(confusion: pd.DataFrame, most: int = 3) -> str:
    """Say which classes are most often mistaken for which."""
    wrong = confusion[(confusion["target"] != confusion["predicted"]) & (confusion["count"] > 0)]
    if wrong.empty:
        return "No test item was taken for another class."
    totals = confusion.groupby("target")["count"].sum()
    named = [
        f"{row['target']} taken for {row['predicted']} ({row['count']} of {totals[row['target']]})"
        for row in wrong.nlargest(most, "count").to_dict("records")
    ]
    return "Most frequent errors: " + "; ".join(named) + "."


def _table(table: pd.DataFrame) -> dict[str, Any]:
    """Texts of a table's first rows, with what was left out."""
    numeric = [pd.api.types.is_numeric_dtype(table[column]) for column in table]
    return {
        "columns": list(zip(map(str, table.columns), numeric, strict=True)),
        "rows": [
            list(zip(map(_cell, row), numeric, strict=True))
            for row in table.head(MOST_ROWS).itertuples(index=False, name=None)
        ],
        "n_rows": len(table),
        "n_hidden": max(0, len(table) - MOST_ROWS),
    }


def _cell(value: object) -> str:
    if isinstance(value, float):
        return number_text(value)
    return "–" if value is None or value is pd.NA else str(value)


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("disentangled_audio", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
