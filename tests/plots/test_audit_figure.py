"""The audit's figure shows every control, and which of them tell the label."""

import pytest
from matplotlib.colors import to_hex

from disentangled_audio.plots import style
from disentangled_audio.plots.audit import audit_figure
from tests.plots.drawing import draw

pytestmark = pytest.mark.filterwarnings("error")


def audit_of(headings, simulated=True):
    """Controls under their headings, of which the first of each predicts the label."""
    rows = {
        name: {
            "balanced_accuracy": 0.9 - 0.05 * k,
            "balanced_accuracy_ci95": [0.8 - 0.05 * k, 1 - 0.05 * k],
            "heading": heading,
        }
        for k, (name, heading) in enumerate(headings.items())
    }
    return {
        "corpus": "made",
        "simulated": simulated,
        "target": "place",
        "n_folds": 4,
        "chance": 0.25,
        "controls": rows,
        "shortcuts": ["byte_size"],
        "baselines": ["bandwidth"],
    }


def test_controls_are_drawn_under_their_headings_and_grey_unless_they_predict_the_label():
    shortcuts = dict.fromkeys(["byte_size", "duration"], "shortcut")
    baselines = dict.fromkeys(["bandwidth", "majority"], "simple baseline")
    figure = audit_figure(audit_of(shortcuts | baselines))
    names = [[tick.get_text() for tick in axes.get_yticklabels()] for axes in figure.axes]
    assert names == [list(shortcuts), list(baselines)]
    assert [axes.get_ylabel() for axes in figure.axes] == ["shortcuts", "simple baselines"]
    bars = [bar for axes in figure.axes for bar in axes.patches]
    assert [round(bar.get_width(), 2) for bar in bars] == [0.9, 0.85, 0.8, 0.75]
    wanted = [style.OKABE_ITO[5], style.GREY, style.GREEN, style.GREY]
    assert [to_hex(bar.get_facecolor()) for bar in bars] == [colour.lower() for colour in wanted]
    assert [text.get_text() for text in figure.axes[1].texts] == ["0.80", "0.75"]
    legend = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert legend == ["chance", "grey: no significant prediction"]
    assert style.SIMULATED_MARK in figure.get_suptitle()
    assert "4 folds" in figure.axes[-1].get_xlabel()
    draw(figure)


def test_real_recordings_with_shortcuts_alone():
    figure = audit_figure(audit_of({"duration": "shortcut"}, simulated=False))
    (axes,) = figure.axes
    assert axes.get_ylabel() == "shortcuts"
    assert style.SIMULATED_MARK not in figure.get_suptitle()
