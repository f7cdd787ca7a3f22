"""The page of parameters has every group and every value."""

import runpy

from disentangled_audio import parameters as p
from tests.conftest import REPOSITORY


def test_the_page_has_every_group_and_every_value() -> None:
    page = runpy.run_path(str(REPOSITORY / "docs" / "parameters_page.py"))["parameters_page"]()

    titles = [line for line in page.splitlines() if line.startswith("## ")]
    assert {f"## `{name}`" for name in p.GROUPS} <= set(titles)
    assert "## `disentangler.schedule`" in titles
    assert len(titles) == len(set(titles))
    epochs = p.ScheduleParameters.model_fields["epochs"]
    text = " ".join(epochs.description.split())
    assert f"| `epochs` | integer, ≥ 1 | `{epochs.default}` | {text} |" in page
    for model in vars(p).values():
        if isinstance(model, type) and issubclass(model, p.Parameters) and model is not p.Source:
            for name in model.model_fields:
                assert f"| `{name}` |" in page, (model, name)
