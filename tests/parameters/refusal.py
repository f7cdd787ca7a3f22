"""What a group of parameters says of values that it refuses."""

from typing import Any

import pytest
from pydantic import ValidationError

from disentangled_audio.parameters import Parameters


def refused(model: type[Parameters], values: Any) -> dict[str, str]:
    """Message of each refused key, by its dotted name."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return {".".join(map(str, error["loc"])): error["msg"] for error in caught.value.errors()}
