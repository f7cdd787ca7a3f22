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
ENVIRONMENTS = sorted(
    file.parent.name for file in CONF.glob("*/globals.yml") if file.parent.name != "base"
)


def _written_out(values: dict[str, Any]) -> dict[str, Any]:
    """Without what the name of the protocol chooses, which for some is the default."""
    return {
        key: _written_out(value) if isinstance(value, dict) else value
        for key, value in values.items()
        if "${" not in str(value) or isinstance(value, dict)
    }


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
        if isinstance(value, Parameters) or field.is_required() or value != field.default:
            yield from _restated(value, f"{name}.{key}")
        else:
            yield f"{name}.{key}"


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_no_environment_repeats_a_default(env: str) -> None:
    file = CONF / env / "parameters.yml"
    written = yaml.safe_load(file.read_text()) if file.exists() else {}
    for key, values in written.items():
        if key in GROUPS:
            given = GROUPS[key].model_validate(_written_out(values))
            assert [*_restated(given, key)] == []


def test_no_kind_repeats_a_default() -> None:
    kinds = yaml.safe_load((CONF / "base" / "parameters_kinds.yml").read_text())["_kinds"]
    for kind, groups in kinds.items():
        for key in groups.keys() & GROUPS.keys():
            given = GROUPS[key].model_validate(_written_out(groups[key]))
            assert [*_restated(given, f"{kind}.{key}")] == []


def test_no_corpus_or_protocol_repeats_a_default() -> None:
    loader = OmegaConfigLoader(conf_source=str(CONF), **CONFIG_LOADER_ARGS)
    for kinds, model in (("_corpora", Corpus), ("_protocols", Protocol)):
        for name, values in loader["parameters"][kinds].items():
            assert [*_restated(model.model_validate(values), name)] == []


def test_base_has_no_value_of_a_group() -> None:
    """A default that differs from the class would be a second one."""
    for file in (CONF / "base").rglob("parameters*.yml"):
        for key, values in yaml.safe_load(file.read_text()).items():
            if key in GROUPS and isinstance(values, dict):
                assert _written_out(values) == {}, f"{file}: {key}"


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
