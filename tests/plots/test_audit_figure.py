"""The audit's figure shows every control, and which of them tell the label."""

import pytest
from matplotlib.colors import to_hex

from disentangled_audio.plots import style
from disentangled_audio.plots.audit import audit_figure
from tests.plots.drawing import draw

pytestmark = pytest.mark.filterwarnings("error")


def audit_of(names, simulated=True):
    rows = {
        name: {
            "balanced_accuracy": 0.9 - 0.05 * k,
            "balanced_accuracy_ci95": [0.8 - 0.05 * k, 1 - 0.05 * k],
        }
        for k, name in enumerate(names)
    }
    return {
        "corpus": "made",
        "simulated": simulated,
        "target": "place",
        "n_folds": 4,
        "chance": 0.25,
        "controls": rows,
        "shortcuts": names[:1],
        "parts_of_sound": names[1:2],
    }


def test_controls_are_drawn_in_order_with_their_colours():
    names = ["byte_size", "bandwidth", "majority"]
    figure = audit_figure(audit_of(names))
    axes = figure.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == names
    assert [round(bar.get_width(), 2) for bar in axes.patches] == [0.9, 0.85, 0.8]
    colours = [to_hex(bar.get_facecolor()) for bar in axes.patches]
    wanted = [style.OKABE_ITO[5], style.BLUE, style.GREY]
    assert colours == [colour.lower() for colour in wanted]
    assert [text.get_text() for text in axes.texts] == ["0.90", "0.85", "0.80"]
    assert style.SIMULATED_MARK in figure.get_suptitle()
    assert "4 folds" in axes.get_xlabel()
    draw(figure)


def test_only_looks_that_are_used_are_explained():
    figure = audit_figure({**audit_of(["duration"], simulated=False), "shortcuts": []})
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["chance", "no significant prediction"]
    assert style.SIMULATED_MARK not in figure.get_suptitle()
