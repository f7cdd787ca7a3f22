"""The decay figure has labelled axes and shows the numbers it was given."""

import numpy as np
import pytest

from disentangled_audio.plots.decay import DecayCurve, energy_decay_figure

pytestmark = pytest.mark.filterwarnings("error")


def curve(label: str, t20_s: float) -> DecayCurve:
    time_s = np.arange(100) / 100
    return DecayCurve(label, time_s, -60 * time_s / 0.5, t20_s)


def test_each_room_has_its_panel_curves_and_times() -> None:
    rooms = {"hall": [curve("simulated twin", 0.5), curve("real", 0.62)], "box": [curve("x", 1.0)]}
    figure = energy_decay_figure(rooms, "Decay")
    hall, box = figure.axes
    assert [panel.get_title(loc="left") for panel in (hall, box)] == ["hall", "box"]
    labels = [text.get_text() for text in hall.get_legend().get_texts()]
    assert labels == ["simulated twin, T20 0.50 s", "real, T20 0.62 s"]
    assert "(s)" in hall.get_xlabel()
    assert "(dB)" in hall.get_ylabel()
    assert len({line.get_color() for line in hall.lines}) == 2
    assert len({line.get_linestyle() for line in hall.lines}) == 2
    np.testing.assert_allclose(hall.lines[0].get_ydata()[50], -60)
    # The curve leaves the panel at -70 dB.
    assert hall.get_xlim()[1] == pytest.approx(0.58, abs=0.011)


def test_a_time_that_could_not_be_measured_is_not_a_number() -> None:
    figure = energy_decay_figure({"hall": [curve("real", float("nan"))]}, "Decay")
    assert figure.axes[0].get_legend().get_texts()[0].get_text() == "real, no T20"


@pytest.mark.parametrize("rooms", [{}, {"hall": []}])
def test_nothing_to_draw_is_an_error(rooms: dict) -> None:
    with pytest.raises(ValueError, match="no room"):
        energy_decay_figure(rooms, "Decay")
