"""Start of tracking with MLflow, if a project asks for it."""

from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.hooks import hook_impl

from disentangled_audio.errors import UserError
from disentangled_audio.runs.catalog import register_hooks


class TrackingHooks:
    """Track runs with MLflow if conf has an `mlflow.yml`."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Register the tracking hook.

        Raises
        ------
        UserError
            If tracking is configured but kedro-mlflow is not installed.
        """
        loader = context.config_loader
        loader.config_patterns.setdefault("mlflow", ["mlflow*", "mlflow*/**", "**/mlflow*"])
        try:
            configured = loader["mlflow"]
        except MissingConfigException:
            return
        # In the base environment alone, Kedro reads a missing file as an empty one.
        if not configured:
            return
        try:
            from disentangled_audio.runs.mlflow_hook import RunTracking
        except ModuleNotFoundError as error:
            raise UserError(
                f"mlflow.yml asks for tracking, but {error.name} is not installed: "
                "pip install -e '.[tracking]', or remove mlflow.yml from conf"
            ) from error
        tracking = RunTracking()
        register_hooks(context, tracking)
        # It was registered too late for this event.
        tracking.after_context_created(context)
