"""One row for each model and control, with the numbers it was given."""

import numpy as np
import pytest

from disentangled_audio.plots import style
from disentangled_audio.plots.cross_validation import fold_comparison_figure
from tests.plots.drawing import draw

pytestmark = pytest.mark.filterwarnings("error")


def metrics_of(n_folds=6, n_models=7, n_controls=15, *, simulated=True):
    rng = np.random.default_rng(0)
    sizes = {"models": n_models, "controls": n_controls}
    names = {
        "models": ["svm", "mel_svm", "timbre_svm", "acoustic_lda", "code_svm", "cnn", "hybrid"],
        "controls": [f"control_number_{k}_of_a_long_name" for k in range(n_controls)],
    }
    metrics = {
        "corpus": "fsdd",
        "target": "digit",
        "simulated": simulated,
        "folds": {f"speaker{k}": {"models": {}, "controls": {}} for k in range(n_folds)},
    }
    for part, size in sizes.items():
        metrics[part] = {}
        for place, name in enumerate(names[part][:size]):
            centre = 0.95 - 0.04 * place if part == "models" else 0.5 - 0.028 * place
            scores = np.clip(centre + 0.04 * rng.standard_normal(n_folds), 0, 1)
            for fold, score in zip(metrics["folds"].values(), scores, strict=True):
                fold[part][name] = {"balanced_accuracy": float(score)}
            metrics[part][name] = {
                "mean_balanced_accuracy": float(scores.mean()),
                "balanced_accuracy_ci95": [centre - 0.05, min(1.0, centre + 0.04)],
            }
            if part == "controls":
                heading = "shortcut" if place < 10 else "simple baseline"
                metrics[part][name]["heading"] = heading
    return metrics


def draw_uncut(figure):
    """Draw a figure, nothing of which is cut off at the edges."""
    draw(figure)
    (axes,) = figure.axes
    for artist in (*figure.legends, *axes.texts, *axes.get_yticklabels()):
        box = artist.get_window_extent()
        assert figure.bbox.x0 <= box.x0, artist
        assert box.x1 <= figure.bbox.x1, artist


def points_of_row(figure, place):
    """Ends of the interval, the mean, and the folds, from left to right."""
    (axes,) = figure.axes
    in_row = [
        line
        for line in axes.lines
        if len(line.get_ydata()) and np.allclose(line.get_ydata(), place, atol=0.3)
    ]
    interval, mean, folds = in_row
    return list(interval.get_xdata()), list(mean.get_xdata()), list(folds.get_xdata())


def test_every_model_and_every_control_has_a_row_with_its_numbers():
    metrics = metrics_of()
    figure = fold_comparison_figure(metrics)
    (axes,) = figure.axes
    labels = [tick.get_text() for tick in axes.get_yticklabels()]

    assert labels[:7] == list(metrics["models"])
    assert len(labels) == 22
    headings = ["shortcut"] * 10 + ["simple baseline"] * 5
    assert [label.partition(": ")[0] for label in labels[7:]] == headings
    rows = [(part, name) for part in ("models", "controls") for name in metrics[part]]
    for place, (part, name) in enumerate(rows):
        scores = metrics[part][name]
        interval, mean, folds = points_of_row(figure, place)
        assert interval == scores["balanced_accuracy_ci95"]
        assert mean == [scores["mean_balanced_accuracy"]]
        assert folds == [f[part][name]["balanced_accuracy"] for f in metrics["folds"].values()]
    draw_uncut(figure)


def test_controls_are_grey_and_chance_is_named():
    figure = fold_comparison_figure(metrics_of(), 0.1)
    (axes,) = figure.axes
    colours = [tick.get_color() for tick in axes.get_yticklabels()]

    assert style.GREY not in colours[:7]
    assert set(colours[7:]) == {style.GREY}
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "chance 0.10" in legend
    assert "balanced accuracy" in axes.get_xlabel()


@pytest.mark.parametrize("simulated", [True, False])
def test_the_title_says_how_many_folds_and_whether_they_are_simulated(simulated):
    figure = fold_comparison_figure(metrics_of(simulated=simulated))

    title = figure.get_suptitle()
    assert title.startswith("Target digit, corpus fsdd, 6 folds")
    assert (style.SIMULATED_MARK in title) is simulated


def test_one_fold_one_model_and_no_control():
    figure = fold_comparison_figure(metrics_of(1, 1, 0))
    (axes,) = figure.axes

    assert figure.get_suptitle().startswith("Target digit, corpus fsdd, 1 fold (")
    # The worst of one fold is the fold.
    assert [text.get_text() for text in axes.texts] == [f"{points_of_row(figure, 0)[1][0]:.2f}"]
    draw_uncut(figure)


def test_a_model_that_some_folds_lack_says_so():
    metrics = metrics_of(6, 7, 2)
    for fold in ("speaker1", "speaker4"):
        del metrics["folds"][fold]["models"]["acoustic_lda"]

    (axes,) = fold_comparison_figure(metrics).axes

    texts = [text.get_text() for text in axes.texts]
    assert [text.endswith(", 4 of 6 folds") for text in texts].index(True) == 3
    assert sum("of 6 folds" in text for text in texts) == 1
