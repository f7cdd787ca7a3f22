"""Project settings: https://docs.kedro.org/en/stable/configure/configuration_basics/"""

import os

from kedro.config import OmegaConfigLoader

from disentangled_audio.hooks import ProjectHooks, TrackingHooks
from disentangled_audio.runs.selection import (
    clips_folder,
    data_folder,
    selected_corpus,
    selected_definition,
    selected_name,
)

HOOKS = (ProjectHooks(), TrackingHooks())
# Left to itself it would track every run as soon as it is installed; TrackingHooks starts it.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow", "kedro-mlflow")
# Like Kedro's own telemetry, to which .telemetry says no.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
CONFIG_LOADER_CLASS = OmegaConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment changes single values of base, so that it can stay a few lines long.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    "custom_resolvers": {
        "clips_folder": clips_folder,
        "data_folder": data_folder,
        "selected_corpus": selected_corpus,
        "selected_name": selected_name,
        "selected_definition": selected_definition,
    },
}
