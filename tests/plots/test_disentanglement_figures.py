"""The figures of codes have labelled axes, and show the numbers they were given."""

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.plots import style
from disentangled_audio.plots.disentanglement import (
    SwapExample,
    latent_map_figure,
    leakage_figure,
    message_figure,
    swap_figure,
)
from tests.plots.drawing import draw

pytestmark = pytest.mark.filterwarnings("error")


def matrix_of(codes=("content", "rhythm"), factors=("digit", "f0$_hz$"), controls=("", "raw")):
    rows = [
        {
            **{"code": code, "factor": factor, "condition": condition, "control": control},
            **{"score": 0.6, "low": 0.5, "high": 0.7, "chance": 0.2, "reason": ""},
        }
        for condition in ("marginal", "within target")
        for control in controls
        for code in codes
        for factor in factors
    ]
    return pd.DataFrame(rows)


def texts(panel):
    return [text.get_text() for text in panel.texts]


def test_leakage_shows_scores_intervals_and_chance():
    matrix = matrix_of()
    matrix.loc[0, ["score", "low", "high"]] = [0.98, 0.95, 1.0]
    figure = leakage_figure(matrix, simulated=True)
    codes, controls, *others = figure.axes[:4]
    assert texts(codes) == ["98", "95–100"] + ["60", "50–70"] * 3
    # Colour is the share of the way from chance to perfect.
    np.testing.assert_allclose(codes.images[0].get_array(), [[0.975, 0.5], [0.5, 0.5]])
    assert [tick.get_text() for tick in codes.get_yticklabels()] == ["content", "rhythm"]
    assert [tick.get_text() for tick in codes.get_xticklabels()] == [
        "digit\nchance 20",
        "f0$_hz$\nchance 20",
    ]
    assert (codes.get_ylabel(), controls.get_ylabel()) == ("codes", "raw")
    assert codes.get_title(loc="left") == "marginal"
    assert [panel.get_title(loc="left") for panel in others] == ["within target", ""]
    assert figure.axes[-1].get_ylabel() == "from chance (0) to perfect (1)"
    assert style.SIMULATED_MARK in figure.get_suptitle()
    draw(figure)


def test_below_chance_is_not_coloured():
    matrix = matrix_of()
    matrix["score"] = 0.1
    assert (leakage_figure(matrix).axes[0].images[0].get_array() == 0.0).all()


def test_cells_that_were_not_scored_are_hatched_with_their_reason():
    matrix = matrix_of()
    missing = matrix["factor"] == "digit"
    matrix.loc[missing, ["score", "low", "high", "chance"]] = np.nan
    matrix.loc[missing, "reason"] = "no voiced frame"
    # A constant code has a score and a reason.
    matrix.loc[1, "reason"] = "the code is constant"
    figure = leakage_figure(matrix)
    panel = figure.axes[0]
    assert texts(panel) == ["a", "60 b", "50–70", "a", "60", "50–70"]
    assert [patch.get_hatch() for patch in panel.patches] == ["////"] * 2
    assert figure.get_supxlabel() == "a  no voiced frame\nb  the code is constant"
    assert panel.get_xticklabels()[0].get_text() == "digit\n–"
    draw(figure)


def test_a_message_in_place_of_a_figure_says_why():
    figure = message_figure("Codes", "not measured", simulated=True)
    assert texts(figure.axes[0]) == ["not measured"]
    assert style.SIMULATED_MARK in figure.get_suptitle()
    draw(figure)


def test_a_control_without_cells_in_a_condition_is_not_shown():
    matrix = matrix_of(controls=("", "one_hot"))
    matrix = matrix[(matrix["control"] == "") | (matrix["condition"] == "marginal")]
    figure = leakage_figure(matrix)
    assert [panel.get_ylabel() for panel in figure.axes[:3]] == ["codes", "one-hot", "codes"]
    # Beside them only the colour bar.
    assert len(figure.axes) == 4
    draw(figure)


def test_leakage_under_several_conditions_is_no_wider_than_a_page():
    factors = [f"factor_{number}" for number in range(7)]
    # Inches that a page of the report shows without scrolling.
    assert leakage_figure(matrix_of(factors=factors)).get_figwidth() < 11


@pytest.mark.parametrize("n_factors", [1, 8])
def test_leakage_of_few_and_many_factors(n_factors):
    draw(leakage_figure(matrix_of(factors=[f"a_long_factor_name_{n}" for n in range(n_factors)])))


def test_latent_maps_have_a_row_a_factor_and_a_column_a_code():
    rng = np.random.default_rng(0)
    maps = {name: rng.standard_normal((30, 2)) for name in ("content", "pitch")}
    factors = pd.DataFrame(
        {
            "digit": [str(n % 9) for n in range(29)] + [None],
            "f0_hz": [*rng.uniform(80, 300, 28), np.nan, np.nan],
        }
    )
    figure = latent_map_figure(maps, factors, simulated=True)
    panels = figure.axes[:4]
    assert [panel.get_title(loc="left") for panel in panels[:2]] == ["content", "pitch"]
    assert [panels[n].get_ylabel().splitlines()[0] for n in (0, 2)] == ["digit", "f0_hz"]
    assert all(panel.get_xlabel() for panel in panels[2:])
    legend = panels[1].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [str(n) for n in range(9)]
    # Nine classes have seven colours: the last two differ by their marker.
    assert len({path.get_paths()[0].vertices.shape for path in panels[0].collections[1:]}) == 2
    # What is missing is drawn first, and pale.
    assert len(panels[0].collections[0].get_offsets()) == 1
    assert len(panels[2].collections[0].get_offsets()) == 2
    draw(figure)


@pytest.mark.parametrize("values", [[None] * 5, [np.nan] * 5, [f"take{n}" for n in range(5)]])
def test_latent_maps_of_nothing_and_of_many_classes(values):
    factors = pd.DataFrame({"factor": values * 12})
    if values[0] == "take0":
        factors["factor"] += [str(n) for n in range(60)]
    draw(latent_map_figure({"content": np.random.default_rng(0).random((60, 2))}, factors))


def test_swaps_show_input_donor_and_result_in_db():
    rng = np.random.default_rng(0)
    examples = [
        SwapExample(
            "rhythm", {name: rng.random((32, 40)) for name in ("input", "donor", "result")}
        ),
        SwapExample("pitch", {name: rng.random((32, 40)) for name in ("input", "result")}),
    ]
    figure = swap_figure(examples, hop_s=0.016, dynamic_range_db=80.0)
    first = figure.axes[0]
    assert first.get_title(loc="left") == "input"
    assert first.get_ylabel() == "rhythm\nmel band"
    levels = first.images[0].get_array()
    np.testing.assert_allclose(levels, 80.0 * (examples[0].spectra["input"].T - 1.0))
    assert first.images[0].get_extent()[1] == pytest.approx(32 * 0.016)
    # The result is in the last column, whatever is before it.
    assert [panel.get_visible() for panel in figure.axes[:6]] == [*[True] * 4, False, True]
    # The lowest panel of each column carries the time axis.
    time = "time (s)"
    assert [panel.get_xlabel() for panel in figure.axes[:6]] == ["", time, "", time, "", time]
    assert "dB" in figure.axes[-1].get_ylabel()
    draw(figure)


def test_long_labels_of_swaps_are_broken_and_make_room():
    attributes = " · ".join(f"attribute{number} of some length" for number in range(4))
    short = swap_figure([SwapExample("pitch", {"input": np.zeros((8, 8))})], 0.016, 80.0)
    label = f"input\n{attributes}"
    long = swap_figure([SwapExample("pitch", {label: np.zeros((8, 8))})], 0.016, 80.0)
    title = long.axes[0].get_title(loc="left")
    assert title.split() == label.split()
    assert max(map(len, title.splitlines())) <= 34
    assert long.get_size_inches()[1] > short.get_size_inches()[1] + 0.3
    draw(long)
