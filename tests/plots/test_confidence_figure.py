"""The figures of confidence and ablation show the numbers they were given."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.plots import style
from disentangled_audio.plots.confidence import ablation_figure, confidence_figure
from tests.plots.drawing import draw

pytestmark = pytest.mark.filterwarnings("error")


def reliability_of(stages=("before", "after"), model="hybrid"):
    stage = pd.DataFrame(
        {
            "bin_low": [0.0, 0.5],
            "bin_high": [0.5, 1.0],
            "confidence": [np.nan, 0.8],
            "accuracy": [np.nan, 0.7],
            "n": [0, 9],
        }
    )
    return pd.concat([stage.assign(stage=name, model=model) for name in stages])


def curves_of(models, risk=(0.0, 0.1, 0.2)):
    coverage = np.linspace(0, 1, len(risk) + 1)[1:]
    return pd.concat(
        [pd.DataFrame({"model": m, "coverage": coverage, "risk": risk}) for m in models]
    )


def ablation_of(costs, folds=("f", "g")):
    return pd.DataFrame(
        [
            {"fold": fold, "member": member, "weight": 0.25, "cost": cost + 0.01 * index}
            for index, fold in enumerate(folds)
            for member, cost in costs.items()
        ]
    )


def lines_of(axes):
    return {line.get_label(): line for line in axes.lines}


def test_confidence_shows_both_stages_and_every_model():
    figure = confidence_figure(
        reliability_of(), curves_of(["svm", "hybrid"]), model="hybrid", simulated=True
    )
    reliability, risk, counts = figure.axes
    for stage in ("before", "after"):
        points = lines_of(reliability)[f"{stage} calibration"].get_xydata().tolist()
        assert points == [[0.8, 0.7]]
    assert len(counts.patches) == 2
    curves = lines_of(risk)
    assert set(curves) == {"svm", "hybrid"}
    assert curves["hybrid"].get_ydata().tolist() == [0.0, 0.1, 0.2]
    assert curves["hybrid"].get_linewidth() > 2 * curves["svm"].get_linewidth()
    assert "confidence" in counts.get_xlabel()
    assert "coverage" in risk.get_xlabel()
    assert style.SIMULATED_MARK in figure.get_suptitle()
    draw(figure)


def test_fifteen_models_are_told_apart():
    names = [f"model_with_a_long_name_${index}$" for index in range(14)]
    figure = confidence_figure(reliability_of(), curves_of([*names, "hybrid"]), model="hybrid")
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[1].lines}
    assert len(looks) == 15
    draw(figure)


def test_confidence_of_a_perfect_model_of_unknown_temperature():
    curve = curves_of(["hybrid"], risk=(0.0,))
    kept = {"coverage": 1.0, "accuracy": 1.0}
    figure = confidence_figure(reliability_of(["after"]), curve, kept, model="hybrid")
    assert "before calibration" not in lines_of(figure.axes[0])
    assert figure.axes[1].get_ylim()[1] > 0
    draw(figure)


def test_the_kept_items_are_marked_where_there_are_any():
    tables = reliability_of(), curves_of(["hybrid"])
    figure = confidence_figure(*tables, {"coverage": 0.72, "accuracy": 0.9}, model="hybrid")
    marked = lines_of(figure.axes[1])["kept 72%, risk 0.100"]
    assert marked.get_xydata().tolist() == [[0.72, pytest.approx(0.1)]]
    nothing = confidence_figure(*tables, {"coverage": 0.0, "accuracy": None}, model="hybrid")
    assert set(lines_of(nothing.axes[1])) == {"hybrid"}


def test_ablation_shows_means_folds_and_weights():
    figure = ablation_figure(ablation_of({"svm": -0.02, "cnn": 0.03}), simulated=True)
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["cnn", "svm"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.035, -0.015])
    dots = axes.lines[0].get_xydata()
    assert sorted(dots[:, 0]) == pytest.approx([-0.02, -0.01, 0.03, 0.04])
    assert [text.get_text() for text in axes.texts] == ["0.25", "0.25", "mean weight"]
    assert "mean of 2 folds" in axes.get_xlabel()
    assert style.SIMULATED_MARK in figure.get_suptitle()
    draw(figure)


@pytest.mark.parametrize("costs", [{"svm": 0.0, "cnn": 0.0}, {"svm": 0.9, "cnn": -0.9}])
def test_every_cost_lies_on_the_axis(costs):
    figure = ablation_figure(ablation_of(costs, folds=["f"]))
    low, high = figure.axes[0].get_xlim()
    assert low < min(costs.values()) <= max(costs.values()) < high
    assert "one fold" in figure.axes[0].get_xlabel()
    draw(figure)


def test_each_hybrid_has_its_own_panel():
    tables = [
        ablation_of({"svm": cost}, folds=["f"]).assign(hybrid=name)
        for name, cost in {"Hybrid": 0.0, "Hybrid with pretrained weights": 0.5}.items()
    ]
    figure = ablation_figure(pd.concat(tables))
    assert [axes.get_title("left") for axes in figure.axes] == [
        "Hybrid",
        "Hybrid with pretrained weights",
    ]
    assert [axes.patches[0].get_width() for axes in figure.axes] == [0.0, 0.5]
    draw(figure)


def test_ablation_of_one_member_says_so():
    figure = ablation_figure(pd.DataFrame(columns=["fold", "member", "weight", "cost"]))
    assert "nothing to drop" in figure.axes[0].texts[0].get_text()
    draw(figure)
