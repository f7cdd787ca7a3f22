"""Project settings: https://docs.kedro.org/en/stable/configure/configuration_basics/"""

import os

from disentangled_audio.hooks import ProjectHooks
from disentangled_audio.runs.config_loader import LimitedConfigLoader
from disentangled_audio.runs.selection import (
    clips_folder,
    data_folder,
    selected_corpus,
    selected_definition,
    selected_name,
    values_of_kind,
)
from disentangled_audio.runs.tracking import TrackingHooks

HOOKS = (ProjectHooks(), TrackingHooks())
# kedro-mlflow would track every run once it is installed; TrackingHooks starts it on demand.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow", "kedro-mlflow")
# The file .telemetry disables Kedro's own telemetry.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
CONFIG_LOADER_CLASS = LimitedConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment only states the values that differ from base.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    "custom_resolvers": {
        "clips_folder": clips_folder,
        "data_folder": data_folder,
        "selected_corpus": selected_corpus,
        "selected_name": selected_name,
        "selected_definition": selected_definition,
        "values_of_kind": values_of_kind,
    },
}
