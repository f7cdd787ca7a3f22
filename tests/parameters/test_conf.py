"""`conf` says only what differs from the defaults of the classes."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from disentangled_audio.parameters import GROUPS, Corpus, Parameters, Protocol
from disentangled_audio.settings import CONFIG_LOADER_ARGS
from tests.conftest import REPOSITORY

CONF = REPOSITORY / "conf"
ENVIRONMENTS = sorted(file.parent.name for file in CONF.glob("*/globals.yml"))
# Chosen by the protocol's name; for some names, what is chosen is the default.
COMPUTED = {"views.whole_clips", "factors: disentangler.head.codes"}


def _restated(values: Any, name: str) -> Iterator[str]:
    """Names of all values that were given and are the default."""
    if isinstance(values, dict | list):
        parts = values.items() if isinstance(values, dict) else enumerate(values)
        for key, part in parts:
            yield from _restated(part, f"{name}.{key}")
    if not isinstance(values, Parameters):
        return
    for key in values.model_fields_set:
        field, value = type(values).model_fields[key], getattr(values, key)
        if not field.is_required() and value == field.default:
            yield f"{name}.{key}"
        else:
            yield from _restated(value, f"{name}.{key}")


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_no_environment_says_a_default_again(env: str) -> None:
    given = {"corpus_name": "fsdd"} if env == "folder" else {}
    loader = OmegaConfigLoader(
        **{"conf_source": str(CONF), "env": env, "runtime_params": given, **CONFIG_LOADER_ARGS}
    )
    values = loader["parameters"]
    again = [
        name
        for key, model in GROUPS.items()
        if model not in (Corpus, Protocol)
        for name in _restated(model.model_validate(values[key]), key)
        if not {name, f"{env}: {name}"} & COMPUTED
    ]
    for key, model in (("_corpora", Corpus), ("_protocols", Protocol)):
        for chosen, definition in values[key].items():
            again += _restated(model.model_validate(definition), f"{key}.{chosen}")

    assert again == []


def test_base_has_no_value_of_a_group() -> None:
    """A default that differs from the class would be a second one."""
    for file in (CONF / "base").rglob("parameters*.yml"):
        for key, values in yaml.safe_load(file.read_text()).items():
            if key in GROUPS and isinstance(values, dict):
                assert all("${" in str(value) for value in values.values()), f"{file}: {key}"


def test_a_group_reaches_a_node_as_its_model_and_one_value_can_be_given() -> None:
    bootstrap_project(REPOSITORY)
    params = {"disentangler": {"schedule": {"epochs": 5}}}
    with KedroSession.create(REPOSITORY, env="fsdd", runtime_params=params) as session:
        catalog = session.load_context().catalog
    for key, model in GROUPS.items():
        assert type(catalog.load(f"params:{key}")) is model
    schedule = catalog.load("params:disentangler").schedule
    # From the command line, from the environment, and from the class.
    assert (schedule.epochs, schedule.refit_epochs) == (5, 30)
    assert schedule.patience_epochs == type(schedule)().patience_epochs
