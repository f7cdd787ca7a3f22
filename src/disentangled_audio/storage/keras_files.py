"""Files of Keras models, which may hold no code and only the classes listed here."""

import io
import json
import math
import zipfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError
from disentangled_audio.storage.limits import (
    json_mappings,
    json_member,
    not_loaded,
    opened_zip,
    refused,
    stored_members,
)

STAMP_MEMBER = "stamp.json"
CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
MEMBERS = {CONFIG, METADATA, WEIGHTS, STAMP_MEMBER}
OWN_LAYERS = "disentangled_audio.models.layers"
OWN_AUGMENTATION = "disentangled_audio.models.augmentation"
# Module, class and registered name of everything that a network of this project consists of.
TRUSTED = frozenset(
    {
        *((None, name, None) for name in ("__keras_tensor__", "__slice__")),
        *(("keras", name, None) for name in ("DTypePolicy", "Sequential")),
        *(("keras.initializers", name, None) for name in ("GlorotUniform", "Ones", "Zeros")),
        *(
            ("keras.layers", name, None)
            for name in (
                *("Activation", "Concatenate", "Conv1D", "Conv2D", "Conv2DTranspose", "Dense"),
                *("Dropout", "Flatten", "GaussianNoise", "GroupNormalization", "InputLayer"),
                *("Permute", "Reshape"),
            )
        ),
        ("keras.src.models.functional", "Functional", "Functional"),
        ("keras.src.ops.core", "StopGradient", "StopGradient"),
        ("keras.src.ops.nn", "Sigmoid", "Sigmoid"),
        *(
            ("keras.src.ops.numpy", name, name)
            for name in ("Add", "ExpandDims", "GetItem", "Mean", "Multiply")
        ),
        *(
            (OWN_LAYERS, name, f"disentangled_audio>{name}")
            for name in ("GaussianCode", "GradientReversal", "Quantise", "Standardise")
        ),
        *(
            (OWN_AUGMENTATION, name, f"disentangled_audio>{name}")
            for name in (
                *("RandomEarlyLevel", "RandomEqualisation", "RandomFrequencyWarp", "RandomMask"),
                *("RandomNoiseFloor", "RandomTimeResampling", "RandomTimeShift"),
            )
        ),
    }
)
WITH_WEIGHTS = frozenset(
    {
        *("Conv1D", "Conv2D", "Conv2DTranspose", "Dense", "GroupNormalization"),
        *("GaussianCode", "Standardise"),
    }
)
# Larger than any axis, layer or number of filters; a flattened view has about 100,000 values.
MAX_NUMBER = 2**24
# Numbers that do not determine the size of anything.
_UNBOUNDED = {"seed", "shared_object_id"}
_WEIGHT_BYTES = 4


def write_keras(model: Any, path: Path) -> None:
    """Write a model and its stamp to a new file."""
    model.save(path)
    # Keras does not save attributes of a functional model, so the stamp is a member of its own.
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(STAMP_MEMBER, json.dumps(getattr(model, "stamp_", {})))


def read_keras(content: bytes, path: Any, custom_layers: str = OWN_LAYERS) -> Any:
    """Check and load a model from the bytes of its file.

    Messages name `path`; the module `custom_layers` registers the model's own layers.

    Raises
    ------
    UserError
        If TensorFlow is missing, the file is damaged, or it holds anything that this project
        does not write.
    """
    try:
        import_module(custom_layers)
        # The public function takes only a path; this one, which it calls, also takes bytes.
        from keras.src.saving.saving_lib import load_model
    except ModuleNotFoundError as error:
        raise UserError(
            f"{error.name} is missing, so {path} cannot be loaded: "
            "pip install 'disentangled-audio[cpu]' (or [gpu])"
        ) from error
    stamp = check(content, path)
    try:
        model = load_model(io.BytesIO(content), safe_mode=True)
    except Exception as error:  # a forged file can provoke any error in Keras and TensorFlow
        raise not_loaded(path, error) from error
    model.stamp_ = stamp
    return model


def check(content: bytes, path: Any) -> dict[str, Any]:
    """Return the stamp of a file; refuse members, classes or weights this project does not write.

    Keras's safe mode refuses lambdas, but instantiates any class that Keras exports, some of which
    read files, and layers of any size.
    """
    with opened_zip(io.BytesIO(content), path) as archive:
        sizes = stored_members(archive, len(content), path)
        if set(sizes) != MEMBERS:
            wrong = ", ".join(sorted(set(sizes) ^ MEMBERS))
            raise refused(path, f"has missing or unexpected members ({wrong})")
        config = json_member(archive, CONFIG, path)
        json_member(archive, METADATA, path)
        _check_classes(config, path)
        _check_numbers(config, path)
        if _weight_bytes(config, path) > sizes[WEIGHTS]:
            raise refused(path, f"has layers larger than its {sizes[WEIGHTS]:,} bytes of weights")
        _check_weights(archive.read(WEIGHTS), path)
        stamp = json_member(archive, STAMP_MEMBER, path)
    if not isinstance(stamp, dict):
        raise refused(path, f"has no mapping in {STAMP_MEMBER}")
    return stamp


def _check_classes(config: Any, path: Any) -> None:
    if not isinstance(config, dict) or "class_name" not in config:
        raise refused(path, f"has a {CONFIG} that describes no model")
    foreign = set()
    for mapping in json_mappings(config, path):
        if mapping.keys() & {"class_name", "module", "registered_name", "spec_name"}:
            named = tuple(mapping.get(key) for key in ("module", "class_name", "registered_name"))
            # In a forged file a name may be a list.
            if any(not isinstance(name, str | None) for name in named) or named not in TRUSTED:
                foreign.add(f"{named[0]}.{named[1]}")
    if foreign:
        raise refused(path, f"holds classes that are not trusted: {', '.join(sorted(foreign))}")


def _check_numbers(config: Any, path: Any) -> None:
    for mapping in json_mappings(config, path):
        for key, value in mapping.items():
            if key not in _UNBOUNDED and any(abs(number) > MAX_NUMBER for number in _whole(value)):
                raise refused(path, f"has {key}={value}; at most {MAX_NUMBER:,} is allowed")


def _whole(value: Any) -> Iterator[int]:
    """Yield the integers in a value and in the lists that it contains."""
    if isinstance(value, list):
        for part in value:
            yield from _whole(part)
    elif isinstance(value, int):
        yield value


def _weight_bytes(config: Any, path: Any) -> int:
    """Sum up the bytes of each layer's largest weight, all of which Keras allocates.

    Keras builds a layer for the shape in its `build_config`, not for its actual input.
    """
    return _WEIGHT_BYTES * sum(
        _largest_weight(layer, path)
        for layer in json_mappings(config, path)
        if layer.get("class_name") in WITH_WEIGHTS
    )


def _largest_weight(layer: dict[str, Any], path: Any) -> int:
    try:
        own = layer["config"]
        n_inputs = layer["build_config"]["input_shape"][-1]
        outputs = (own.get(name, 1) for name in ("units", "filters", "n_dimensions"))
        n_values = math.prod([n_inputs, *outputs, *_whole(own.get("kernel_size", 1))])
        last = (own.get("axis", -1), own.get("data_format") or "channels_last")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise refused(path, f"has a layer of unknown size ({layer['class_name']})") from error
    if not isinstance(n_values, int) or n_values < 1 or last != (-1, "channels_last"):
        raise refused(path, f"has a layer of unknown size ({layer['class_name']})")
    return n_values


def _check_weights(content: bytes, path: Any) -> None:
    """Refuse HDF5 weights that refer to other files or claim more bytes than the file has."""
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            wrong = _wrong_weights(file, len(content))
    except (OSError, KeyError, RuntimeError, ValueError, TypeError) as error:
        raise refused(path, f"has a damaged {WEIGHTS} ({error})") from error
    if wrong:
        raise refused(path, f"has in {WEIGHTS} {wrong}")


def _wrong_weights(file: Any, n_bytes: int) -> str:
    """Describe what is wrong with the objects in an HDF5 file; empty if nothing is."""
    import h5py

    waiting, seen, total = [file], {h5py.h5o.get_info(file.id).addr}, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return f"a link, {group.name}/{name}"
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                return f"an object under two names, {item.name}"
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif not _is_plain(item):
                return f"{item.name}, which is stored elsewhere, compressed or not numeric"
            else:
                total += item.nbytes
    return f"more than its {n_bytes:,} bytes" if total > n_bytes else ""


def _is_plain(item: Any) -> bool:
    import h5py

    return (
        isinstance(item, h5py.Dataset)
        and item.external is None
        and not item.is_virtual
        and item.chunks is None
        and item.dtype.kind in "biuf"
    )
