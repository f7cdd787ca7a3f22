"""Every figure has labelled axes, and shows the numbers it was given."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.plots import style
from disentangled_audio.plots.classification import (
    comparison_figure,
    confusion_matrix_figure,
    f1_figure,
    precision_recall_figure,
)
from disentangled_audio.plots.training import training_curves_figure
from tests.plots.drawing import draw

pytestmark = pytest.mark.filterwarnings("error")


def class_names(n_classes):
    return [f"class_with_a_long_name_${index}$" for index in range(n_classes)]


def confusion_of(classes):
    pairs = [(true, guess) for true in classes for guess in classes]
    table = pd.DataFrame(pairs, columns=["target", "predicted"])
    table["count"] = np.arange(len(table))
    return table.assign(model="svm")


def report_of(classes):
    values = np.linspace(0.2, 1.0, len(classes))
    return pd.DataFrame(
        {
            "model": "svm",
            "class": classes,
            "precision": values,
            "recall": values[::-1],
            "f1": values,
            "support": 7,
        }
    )


def metrics_of(simulated=True):
    def row(value):
        bounds = [value - 0.05, value + 0.05]
        return {"balanced_accuracy": value, "balanced_accuracy_ci95": bounds}

    per_class = {name: {"support": 5} for name in "abcd"}
    return {
        "corpus": "twin",
        "target": "room",
        "n_test": 20,
        "simulated": simulated,
        "models": {
            "svm": {**row(0.8), "per_class": per_class},
            "hybrid": {**row(0.9), "per_class": per_class},
        },
        "controls": {
            "duration": {**row(0.4), "heading": "shortcut"},
            "majority": {"balanced_accuracy": 0.25, "heading": "simple baseline"},
        },
    }


def history_of(n_epochs=6):
    epochs = np.arange(1, n_epochs + 1)
    return pd.DataFrame(
        {
            "epoch": epochs,
            "training_loss": 1 / epochs,
            "validation_loss": np.abs(epochs - 4.0),
            "training_leakage": 0.1 * epochs,
            "training_accuracy": epochs / n_epochs,
            "validation_accuracy": epochs / n_epochs / 2,
        }
    )


def title_of(figure):
    return figure.get_suptitle()


@pytest.mark.parametrize("n_classes", [2, 3, 12])
@pytest.mark.parametrize(
    ("make", "table"),
    [
        (confusion_matrix_figure, confusion_of),
        (precision_recall_figure, report_of),
        (f1_figure, report_of),
    ],
)
def test_class_figures_have_labelled_axes(make, table, n_classes):
    figure = make(table(class_names(n_classes)), "svm", simulated=True)
    axes = figure.axes[0]
    assert axes.get_xlabel()
    assert "class" in axes.get_ylabel()
    assert len(axes.get_yticklabels()) == n_classes
    assert style.SIMULATED_MARK in title_of(figure)
    draw(figure)


def test_confusion_shows_counts_and_colours_rows():
    figure = confusion_matrix_figure(confusion_of(["b", "a"]), "svm", simulated=False)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0", "1", "2", "3"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["b", "a"]
    assert axes.images[0].get_array().tolist() == [[0.0, 1.0], [0.4, 0.6]]
    assert title_of(figure) == "Confusion matrix: svm, test items"


def test_undefined_precision_is_labelled():
    report = report_of(["a", "b"])
    report.loc[0, "precision"] = np.nan
    figure = precision_recall_figure(report, "svm", simulated=False)
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts.count("undefined") == 1


def test_comparison_keeps_headings_apart_and_marks_chance():
    figure = comparison_figure(metrics_of(), 0.25)
    named = {
        axes.get_ylabel(): [tick.get_text() for tick in axes.get_yticklabels()]
        for axes in figure.axes
    }
    assert named == {
        "models": ["svm", "hybrid"],
        "shortcuts": ["duration"],
        "simple baselines": ["majority"],
    }
    assert "balanced accuracy" in figure.axes[-1].get_xlabel()
    assert any(text.get_text() == "chance 0.25" for text in figure.axes[0].texts)
    assert style.SIMULATED_MARK in title_of(figure)
    assert style.SIMULATED_MARK not in title_of(
        comparison_figure(metrics_of(simulated=False), None)
    )
    draw(figure)


def test_comparison_without_controls():
    draw(comparison_figure(metrics_of() | {"controls": {}}, None))


def test_training_has_a_panel_for_each_term_and_marks_the_best_epoch():
    figure = training_curves_figure(history_of())
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == ["loss", "leakage", "accuracy"]
    assert all(axes.get_ylabel() for axes in panels)
    assert panels[-1].get_xlabel() == "epoch"
    labels = [line.get_label() for line in panels[0].lines]
    assert labels == ["training", "validation", "best epoch (4)"]
    assert panels[0].lines[-1].get_xdata()[0] == 4
    draw(figure)


def test_epochs_of_a_refit_have_no_validation():
    history = history_of(9)
    history.loc[6:, ["validation_loss", "validation_accuracy"]] = np.nan
    figure = training_curves_figure(history)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert lines["training"].get_xdata()[-1] == 9
    assert lines["refit from epoch 7 on"].get_xdata()[0] == 6.5
    assert "best epoch (4)" in lines
    draw(figure)

    history.loc[0, "validation_loss"] = np.nan
    labels = [line.get_label() for line in training_curves_figure(history[:6]).axes[0].lines]
    assert labels == ["training", "validation", "best epoch (4)"]


def test_training_of_one_epoch_and_of_one_term():
    draw(training_curves_figure(history_of(1)))
    draw(training_curves_figure(history_of()[["epoch", "training_loss"]]))


def test_classes_keep_their_colour():
    twelve = style.class_style(class_names(12))
    assert len({(look["color"], look["hatch"]) for look in twelve.values()}) == 12
    three = style.class_style(class_names(3))
    assert all(twelve[name] == look for name, look in three.items())


def test_pyplot_is_not_imported():
    code = (
        "import sys, disentangled_audio.report.figures; "
        "from disentangled_audio.plots import classification, confidence, training; "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
