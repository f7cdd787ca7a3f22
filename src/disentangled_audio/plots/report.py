"""One self-contained HTML page: the answer first, then what it rests on."""

from base64 import b64encode
from collections.abc import Collection, Mapping
from io import BytesIO
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader
from matplotlib.figure import Figure

from disentangled_audio.plots.classification import (
    chance_level,
    comparison_figure,
    confusion_matrix_figure,
    f1_figure,
    precision_recall_figure,
)
from disentangled_audio.plots.training import training_curves_figure

TEMPLATE = "report.html"
PREFERRED_MODEL = "hybrid"
COMPARISON, TRAINING = "comparison", "training_curves"
AUDIT, CONFIDENCE, ABLATION = "audit", "confidence", "ablation"
# Controls that a caution names; the table has all.
MOST_NAMED = 3
# Figure name before the model's name, and its alternative text.
MODEL_FIGURES = {
    "confusion_matrix": "Confusion matrix of {model}: true classes in rows, predicted in columns.",
    "precision_recall": "Precision and recall of {model} by class, as in the table below.",
    "f1": "F1 of {model} by class, as in the table below.",
}
# Intervals from fewer resampled groups are known to be too narrow (Cameron et al. 2008).
FEW_GROUPS = 10
MOST_ROWS = 50
FIGURE_DPI = 130


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
    corpus_facts: Mapping[str, Any],
    parameters: Mapping[str, Any],
    figures: Mapping[str, Figure],
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
    corpus_facts : mapping
        ``description`` (text), ``rights`` (``licence`` and ``citation`` of each part),
        ``findings`` (sentences on the corpus's integrity), ``verdict`` (sentences of the audit),
        ``simulated`` (bool), ``counts`` (what to how many); each may be missing.
    parameters : mapping
        Nested parameters of the run.
    figures : mapping
        Name to figure: ``comparison``, ``training_curves``, ``audit``, ``confidence``,
        ``ablation``, ``confusion_matrix_<model>``, ``precision_recall_<model>``, ``f1_<model>``.
        Missing ones are left out, others come last.

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
    images = {name: _png(figure) for name, figure in figures.items()}
    placed = {COMPARISON, TRAINING, AUDIT, CONFIDENCE, ABLATION} | {
        f"{kind}_{name}" for kind in MODEL_FIGURES for name in models
    }
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            metrics=metrics,
            corpus=corpus_facts,
            simulated=bool(metrics["simulated"] or corpus_facts.get("simulated")),
            answer=answer(metrics),
            cautions=cautions(metrics),
            images=images,
            comparison_text=_comparison_text(metrics),
            scores=_score_rows(metrics),
            models=[
                _model_part(name, metrics, classification_report, confusion) for name in models
            ],
            further=[name for name in images if name not in placed],
            rejected=_table(rejected),
            parameters=_flat(parameters),
        )
    )


def main_model(metrics: Mapping[str, Any]) -> str:
    """Return the model that the report is about: the hybrid, or else the last one.

    Raises
    ------
    ValueError
        If the metrics have no model.
    """
    names = list(metrics["models"])
    if not names:
        raise ValueError("The metrics have no model to report")
    return PREFERRED_MODEL if PREFERRED_MODEL in names else names[-1]


def answer(metrics: Mapping[str, Any]) -> str:
    """Say in one sentence how well the main model does, against the best control."""
    main = main_model(metrics)
    groups = metrics.get("n_test_groups")
    of_groups = f" of {_count(groups, 'group')}" if groups else ""
    sentence = (
        f"On {_count(metrics['n_test'], 'test item')}{of_groups}, {main} names the "
        f"{metrics['target']} with a balanced accuracy of {_interval(metrics['models'][main])}"
    )
    chance = chance_level(metrics)
    if chance is not None:
        sentence += f", where guessing reaches {chance:.2f}"
    control = _best(metrics["controls"])
    if control is None:
        return f"{sentence}."
    reached = _interval(metrics["controls"][control])
    return f"{sentence} and the best shortcut control, {control}, reaches {reached}."


def cautions(metrics: Mapping[str, Any]) -> list[str]:
    """Say what the figures do not show, as far as they tell it themselves."""
    main = main_model(metrics)
    found = [
        _caution_simulated(metrics),
        _caution_controls(metrics, main),
        _caution_groups(metrics),
        _caution_no_error(metrics, main),
        _caution_absent(metrics, main),
        _caution_better_single(metrics, main),
    ]
    return [sentence for sentence in found if sentence]


def _caution_simulated(metrics: Mapping[str, Any]) -> str | None:
    if not metrics["simulated"]:
        return None
    return (
        "The recordings are simulated. The figures test the method and its controls; they say "
        "nothing about accuracy on real recordings."
    )


def _caution_controls(metrics: Mapping[str, Any], main: str) -> str | None:
    """Name the controls whose interval reaches the main model's interval."""
    low, _ = _bounds(metrics["models"][main])
    equals = [name for name, row in metrics["controls"].items() if _bounds(row)[1] >= low]
    if not equals:
        return None
    equals.sort(key=lambda name: -metrics["controls"][name]["balanced_accuracy"])
    listed = [f"{name} {_interval(metrics['controls'][name])}" for name in equals[:MOST_NAMED]]
    more = len(equals) - len(listed)
    named = " and ".join([*listed, *([_count(more, "other")] if more else [])])
    return (
        f"A shortcut does as well as {main}, or nearly so: {named} overlaps with its interval or "
        f"lies above it. These figures do not show that {main} has learned more than the shortcut."
    )


def _caution_groups(metrics: Mapping[str, Any]) -> str | None:
    groups = metrics.get("n_test_groups")
    if groups is None or groups >= FEW_GROUPS:
        return None
    if groups == 1:
        return (
            "All test items come from one group. The intervals resample single items and say how "
            "much other recordings of that group would vary; they say nothing about other groups."
        )
    return (
        f"The test items come from {groups} groups only. The intervals resample groups, and items "
        f"within them; with fewer than {FEW_GROUPS} groups they tend to be too narrow."
    )


def _caution_no_error(metrics: Mapping[str, Any], main: str) -> str | None:
    # Rule of three: Hanley and Lippman-Hand (1983), "If nothing goes wrong, is everything all
    # right?", JAMA 249.
    if metrics["models"][main]["accuracy"] < 1.0:
        return None
    groups = metrics.get("n_test_groups") or 1
    n_units, unit = (groups, "group") if groups > 1 else (metrics["n_test"], "test item")
    limit = min(1.0, 3.0 / n_units)
    return (
        f"{main} made no error on the test items, so its interval has no width. With "
        f"{_count(n_units, unit)}, an error rate of up to about {limit:.2f} would still fit."
    )


def _caution_absent(metrics: Mapping[str, Any], main: str) -> str | None:
    absent = metrics["models"][main].get("absent_classes")
    if not absent:
        return None
    return f"No test item belongs to {', '.join(absent)}: the scores are means over the others."


def _caution_better_single(metrics: Mapping[str, Any], main: str) -> str | None:
    scores = metrics["models"]
    best = _best(scores) or main
    # Nothing is said of a lead too small for the two decimals that the report shows.
    if scores[best]["balanced_accuracy"] - scores[main]["balanced_accuracy"] < 0.005:
        return None
    return f"On these test items {best} does better than {main}: {_interval(scores[best])}."


def _best(scores: Mapping[str, Any]) -> str | None:
    return max(scores, key=lambda name: scores[name]["balanced_accuracy"], default=None)


def _bounds(row: Mapping[str, Any]) -> tuple[float, float]:
    value = row["balanced_accuracy"]
    low, high = row.get("balanced_accuracy_ci95") or (value, value)
    return low, high


def _interval(row: Mapping[str, Any], measure: str = "balanced_accuracy") -> str:
    bounds = row.get(f"{measure}_ci95")
    text = _number(row.get(measure))
    return f"{text} (95 % interval {bounds[0]:.2f}–{bounds[1]:.2f})" if bounds else text


def _number(value: float | None) -> str:
    return "–" if value is None or pd.isna(value) else f"{value:.2f}"


def _count(number: int, unit: str) -> str:
    return f"{number:,} {unit}" if number == 1 else f"{number:,} {unit}s"


def _comparison_text(metrics: Mapping[str, Any]) -> str:
    named = [
        f"{part} {name} {_number(row['balanced_accuracy'])}"
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
            "macro_f1": _number(row.get("macro_f1")),
            "log_loss": _number(row.get("log_loss")),
            "ece": _number(row.get("ece")),
        }
        for part in ("models", "controls")
        for name, row in metrics[part].items()
    ]


def _short_interval(row: Mapping[str, Any], measure: str) -> str:
    return _interval(row, measure).replace("95 % interval ", "")


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
        "figures": [
            {"name": f"{kind}_{model}", "text": text.format(model=model)}
            for kind, text in MODEL_FIGURES.items()
        ],
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
        return _number(value)
    return "–" if value is None or value is pd.NA else str(value)


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """List nested parameters as (dotted name, text)."""
    rows: list[tuple[str, str]] = []
    for key, value in parameters.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{name}.")
        else:
            rows.append((name, str(value)))
    return rows


def _png(figure: Figure) -> str:
    """Return a figure as the base64 text of a PNG file."""
    buffer = BytesIO()
    # Without the library's version in it, equal figures give equal files.
    figure.savefig(buffer, format="png", dpi=FIGURE_DPI, metadata={"Software": None})
    return b64encode(buffer.getvalue()).decode("ascii")


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("disentangled_audio", "plots"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
