"""Where chunks of recordings are processed."""

from typing import Literal

from pydantic import Field, model_validator

from disentangled_audio.parameters.base import Parameters


class ParallelParameters(Parameters):
    """Where chunks of recordings are read and transformed."""

    backend: Literal["loky", "threading", "dask"] = "loky"
    """Processes (`loky`) or threads (`threading`) on this machine, or a `dask` cluster."""
    n_jobs: int = Field(default=2, ge=1, le=1024)
    """Number of processes or threads; a cluster uses all of its workers."""
    scheduler_address: str | None = None
    """Address of the cluster, such as `tcp://10.0.0.1:8786`, for `dask`."""

    @model_validator(mode="after")
    def _check_address(self) -> "ParallelParameters":
        if self.backend == "dask" and not self.scheduler_address:
            raise ValueError("backend dask needs scheduler_address, such as tcp://10.0.0.1:8786")
        return self
