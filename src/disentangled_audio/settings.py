"""Project settings: https://docs.kedro.org/en/stable/configure/configuration_basics/"""

from kedro.config import OmegaConfigLoader

from disentangled_audio.hooks import ProjectHooks
from disentangled_audio.selection import (
    clips_folder,
    data_folder,
    selected_corpus,
    selected_definition,
    selected_name,
)

HOOKS = (ProjectHooks(),)
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
