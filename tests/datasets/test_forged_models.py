"""Loading a forged file runs nothing, allocates nothing, and raises an error that names the file.

A marker file stands for the command that a forged file would run.
"""

import importlib
import io
import json
import os
import pkgutil
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from kedro.io import DatasetError
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from skops import io as skops
from skops.io._audit import NODE_TYPE_MAPPING

import disentangled_audio
from disentangled_audio.datasets import zarr_check
from disentangled_audio.datasets.keras_dataset import KerasDataset
from disentangled_audio.datasets.parquet_dataset import ParquetDataset
from disentangled_audio.datasets.skops_dataset import SkopsDataset
from disentangled_audio.datasets.zarr_dataset import ZarrDataset
from disentangled_audio.models.absent import AbsentMember
from disentangled_audio.models.disentangler import build_disentangler
from disentangled_audio.models.fusion import ProbabilityFusion
from disentangled_audio.models.streaming_pca import fit_scaled_pca
from disentangled_audio.models.svm import CalibratedSvm, Rows, fit_svm
from disentangled_audio.parameters import CodeTerm
from disentangled_audio.storage import parquet_files
from disentangled_audio.storage.keras_files import OWN_LAYERS, STAMP_MEMBER, WEIGHTS
from disentangled_audio.storage.keras_files import TRUSTED as TRUSTED_BY_KERAS
from disentangled_audio.storage.skops_files import NODES, SCIKIT_LEARN, TRUSTED
from tests.disentangling import disentangler

LOCKS = "disentangled_audio.storage.locks"
STAMP = {"corpus_hash": "0123", "n_rows": 3, "parts": [1.5, None, True], "file": {"a": "b"}}
SHAPES = {
    "log_mel": (32, 24),
    "content_view": (32, 24),
    "rhythm_view": (32, 6),
    "pitch_view": (32, 12),
}
SMALL = {
    "content_channels": (4, 8),
    "pitch_channels": (4,),
    "rhythm_channels": (4,),
    "decoder": {"channels": (8, 4), "units": 16},
}
HEADS = {"content": CodeTerm(of=["room", "distance"])}
NETWORKS = {
    "plain": {},
    "everything": {
        **dict.fromkeys(("stretch", "shift", "tilt", "noise_floor", "early_level"), 0.1),
        **dict.fromkeys(("frequency_warp", "mask", "view_noise", "dropout", "code_noise"), 0.1),
        **{
            "timbre_dim": 2,
            "head": {"units": 8},
            "auxiliary_weight": 0.1,
            "quantised": {"content": 3},
        },
        **{"pitch_spectrum_units": 4, "readouts": HEADS, "adversaries": HEADS},
    },
    "triple_bottleneck": {"method": "triple_bottleneck"},
    "adversarial": {"method": "adversarial", "variational_weight": 0.1, "head": {"units": 0}},
}


def _refused(dataset: Any, marker: Path | None = None) -> str:
    """The message with which a dataset refuses to load; it names the file."""
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    message = str(caught.value)
    assert dataset._filepath.name in message
    assert marker is None or not marker.exists(), "the forged file ran a command"
    return message


# --- skops ---------------------------------------------------------------------------------------


def _node(loader: str, name: str = "builtins.str", **content: Any) -> dict[str, Any]:
    module, _, own = name.rpartition(".")
    return {"__class__": own, "__module__": module, "__loader__": loader, **content}


def _json(value: Any) -> dict[str, Any]:
    return _node("JsonNode", content=json.dumps(value))


def _tuple(*items: dict[str, Any]) -> dict[str, Any]:
    return _node("TupleNode", "builtins.tuple", content=list(items))


def _dict(**items: dict[str, Any]) -> dict[str, Any]:
    keys = _node("ListNode", "builtins.list", content=[_node("TypeNode")] * len(items))
    return _node("DictNode", "builtins.dict", key_types=keys, content=items)


def _os_system() -> dict[str, Any]:
    """`os.system` as a method of a module that one of ours has imported."""
    module = _node("FunctionNode", f"{LOCKS}.os")
    return _node("MethodNode", f"{LOCKS}.os", content={"obj": module, "func": "system"})


def _runs(command: str) -> dict[str, Any]:
    """A dictionary whose key is converted by `os.system`."""
    keys = _node("ListNode", "builtins.list", content=[_os_system()])
    return _node("DictNode", "builtins.dict", key_types=keys, content={command: _json(None)})


def _with_reduce(loader: str, name: str, *arguments: dict[str, Any]) -> dict[str, Any]:
    reduce = {"args": _tuple(*arguments)}
    return _node(loader, name, __reduce__=reduce, content=_json(None))


# One forged file for each kind of node that skops knows, by what it would do for a command.
Forge = Callable[[str], dict[str, Any]]
FORGED: dict[str, Forge] = {
    "DictNode": _runs,
    "DefaultDictNode": lambda command: _node(
        "DefaultDictNode",
        "collections.defaultdict",
        content={"main": _dict(), "default_factory": _os_system()},
    ),
    "ListNode": lambda command: _node("ListNode", f"{LOCKS}.os", content=[_json(command)]),
    "SetNode": lambda command: _node("SetNode", "os.system", content=[_json(command)]),
    "TupleNode": lambda command: _node("TupleNode", "os.system", content=[_json(command)]),
    "BytesNode": lambda command: _node("BytesNode", "builtins.bytes", file="schema.json"),
    "BytearrayNode": lambda command: _node(
        "BytearrayNode", "builtins.bytearray", file="schema.json"
    ),
    "SliceNode": lambda command: _node(
        "SliceNode", "os.system", content={"start": command, "stop": None, "step": None}
    ),
    "FunctionNode": lambda command: _node("FunctionNode", f"{LOCKS}.os"),
    "MethodNode": lambda command: _os_system(),
    "PartialNode": lambda command: _node(
        "PartialNode",
        "functools.partial",
        content={
            **{"func": _os_system(), "args": _tuple(_json(command))},
            **{"kwds": _dict(), "namespace": _json(None)},
        },
    ),
    "TypeNode": lambda command: _node("TypeNode", f"{LOCKS}.os"),
    "ConstructorFromReduceNode": lambda command: _node(
        "ConstructorFromReduceNode", "os.system", content=_tuple(_json(command))
    ),
    "ObjectNode": lambda command: _node(
        "ObjectNode", "disentangled_audio.models.svm.Rows", content=_runs(command)
    ),
    "JsonNode": lambda command: _node("JsonNode", "os.system", content=json.dumps(command)),
    "OperatorFuncNode": lambda command: _node(
        "OperatorFuncNode", "operator.methodcaller", attrs=_tuple(_json("system"))
    ),
    "NdArrayNode": lambda command: _node(
        "NdArrayNode", "os.system", type="json", content=[_runs(command)], shape=_tuple(_json(1))
    ),
    "MaskedArrayNode": lambda command: _node(
        "MaskedArrayNode",
        "numpy.ma.MaskedArray",
        content={"data": _runs(command), "mask": _json(None)},
    ),
    "DTypeNode": lambda command: _node("DTypeNode", "numpy.dtype", content=_runs(command)),
    "RandomStateNode": lambda command: _node(
        "RandomStateNode", "numpy.random.mtrand.RandomState", content=_runs(command)
    ),
    "RandomGeneratorNode": lambda command: _node(
        "RandomGeneratorNode",
        "numpy.random._generator.Generator",
        content={"bit_generator": _dict(bit_generator=_json("seed")), "seed_seq": _runs(command)},
    ),
    "SparseMatrixNode": lambda command: _node(
        "SparseMatrixNode", "scipy.sparse._matrix.spmatrix", type="scipy", file="schema.json"
    ),
    "LossNode": lambda command: _with_reduce("LossNode", "os.system", _json(command)),
    "TreeNode": lambda command: _with_reduce("TreeNode", "sklearn.tree._tree.Tree", _runs(command)),
    "QuantileForestNode": lambda command: _with_reduce(
        "QuantileForestNode", "os.system", _json(command)
    ),
    "CachedNode": lambda command: _node("CachedNode", f"{LOCKS}.os", __id__=1),
}


def _write_skops(path: Path, schema: Any, **members: bytes) -> SkopsDataset:
    if isinstance(schema, dict):
        schema = json.dumps({**schema, "protocol": skops_protocol(), "_skops_version": "0"})
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
        archive.writestr("schema.json", schema)
    return SkopsDataset(filepath=str(path))


def skops_protocol() -> int:
    """The newest protocol that skops knows."""
    return max(protocol for _, protocol in NODE_TYPE_MAPPING)


def _estimators() -> dict[str, BaseEstimator]:
    """Every kind of estimator that the catalog keeps, by what it is."""
    rng = np.random.default_rng(0)
    target = np.array(["oak", "ash", "yew"] * 20, dtype=object)
    features = rng.normal(size=(60, 3)) + 2 * np.eye(3)[np.arange(60) % 3]
    group = np.array([f"g{row // 10}" for row in range(60)], dtype=object)
    rows = Rows(features, target, group)
    chosen = {"C": 1.0, "gamma": 0.3}
    members = {name: rng.dirichlet([1, 1, 1], 60) for name in ("svm", "cnn")}
    every = np.ones(60, dtype=bool)
    fitted = {
        "svm": CalibratedSvm(fit_svm(rows, chosen), 0.5, 60, 3.0),
        "svm of two classes": CalibratedSvm(fit_svm(rows[target != "yew"], chosen), 0.5, 60, 3.0),
        "approximate svm": CalibratedSvm(fit_svm(rows, chosen, n_landmarks=9), 0.5, 60, 3.0),
        "hybrid": ProbabilityFusion(sources={"cnn": "svm"}).fit(
            members, target, group, ["ash", "oak", "yew"]
        ),
        "absent member": AbsentMember("no decay", ["ash", "oak"]),
        "pca": fit_scaled_pca(features.astype(np.float32), every, 2, 100, 0),
        "streamed pca": fit_scaled_pca(features, every, 2, 10, 0),
        "baseline of a notebook": LogisticRegression().fit(features, target),
    }
    for estimator in fitted.values():
        estimator.stamp_ = dict(STAMP)
    return fitted


def _outputs(estimator: BaseEstimator) -> np.ndarray:
    """Probabilities, or components, for the same data each time."""
    rng = np.random.default_rng(1)
    if isinstance(estimator, AbsentMember):
        return np.array([estimator.reason, *estimator.classes_])
    if isinstance(estimator, ProbabilityFusion):
        return estimator.predict_proba(
            {name: rng.dirichlet([1, 1, 1], 9) for name in ("svm", "cnn")}
        )
    compute = getattr(estimator, "predict_proba", None) or estimator.transform
    return compute(rng.normal(size=(9, 3)))


@pytest.fixture(scope="module")
def estimators() -> dict[str, BaseEstimator]:
    return _estimators()


def test_every_estimator_of_the_project_loads(
    tmp_path: Path, estimators: dict[str, BaseEstimator]
) -> None:
    for place, (name, estimator) in enumerate(estimators.items()):
        dataset = SkopsDataset(filepath=str(tmp_path / f"{place}.skops"))
        dataset.save(estimator)

        loaded = dataset.load()

        assert type(loaded) is type(estimator), name
        assert loaded.stamp_ == STAMP, name
        np.testing.assert_array_equal(_outputs(loaded), _outputs(estimator), err_msg=name)


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "__loader__" in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _nodes(part)


def test_the_trusted_estimators_are_those_that_the_project_saves(
    estimators: dict[str, BaseEstimator],
) -> None:
    saved = set()
    for estimator in estimators.values():
        with zipfile.ZipFile(io.BytesIO(skops.dumps(estimator))) as archive:
            nodes = _nodes(json.loads(archive.read("schema.json")))
            saved |= {
                f"{node['__module__']}.{node['__class__']}"
                for node in nodes
                if node["__loader__"] == "ObjectNode"
            }
    own = tuple(sorted(name for name in saved if name.startswith("disentangled_audio.")))
    assert own == TRUSTED, f"an estimator has moved; TRUSTED of skops_dataset has to be {own}"
    assert tuple(sorted(saved - set(own))) == SCIKIT_LEARN


def test_a_trusted_name_is_a_class_where_it_is_defined() -> None:
    for name in TRUSTED + SCIKIT_LEARN:
        module, _, own = name.rpartition(".")
        found = vars(importlib.import_module(module))[own]
        assert isinstance(found, type), name
        assert issubclass(found, BaseEstimator), name
        assert (found.__module__, found.__qualname__) == (module, own), name
        # skops makes an object without calling `__init__`, and gives it its attributes.
        assert found.__new__ is object.__new__, name
        assert found.__setstate__ is BaseEstimator.__setstate__, name


def _modules() -> Iterator[ModuleType]:
    path = disentangled_audio.__path__
    for found in pkgutil.walk_packages(path, "disentangled_audio."):
        if found.name.endswith("__main__"):
            continue
        try:
            yield importlib.import_module(found.name)
        except ImportError:
            # An extra that is not installed: nothing of it can be reached either.
            continue


def test_nothing_that_a_module_imports_is_trusted(tmp_path: Path) -> None:
    reachable = {}
    for module in _modules():
        for name, value in vars(module).items():
            full = f"{module.__name__}.{name}"
            reachable[full] = value
            if isinstance(value, ModuleType):
                reachable.update({f"{full}.{inner}": None for inner in vars(value)})
    assert f"{LOCKS}.os.system" in reachable
    assert {name for name in reachable if name in TRUSTED} == set(TRUSTED)

    functions = [_node("FunctionNode", name) for name in reachable]
    objects = [_node("ObjectNode", name) for name in set(reachable) - set(TRUSTED)]
    for kind in (functions, objects):
        forged = _node("ListNode", "builtins.list", content=kind)
        message = _refused(_write_skops(tmp_path / "forged.skops", forged))
        named = set(re.findall(r"(\S+) \(", message))
        assert {f"{node['__module__']}.{node['__class__']}" for node in kind} <= named


def test_there_is_a_forged_file_for_each_kind_of_node() -> None:
    known = {name for name, _ in NODE_TYPE_MAPPING}
    assert known == set(FORGED), "skops has other kinds of nodes: look at what they call"
    assert set(NODES) <= known


def test_the_forged_file_runs_its_command_if_its_names_are_trusted(tmp_path: Path) -> None:
    """Trusting every name in the package would run the command."""
    marker = tmp_path / "ran"
    _write_skops(tmp_path / "forged.skops", _runs(f"touch '{marker}'"))

    names = skops.get_untrusted_types(file=tmp_path / "forged.skops")
    assert all(name.startswith("disentangled_audio.") for name in names)
    skops.load(tmp_path / "forged.skops", trusted=names)

    assert marker.exists()


@pytest.mark.parametrize("kind", FORGED)
@pytest.mark.parametrize("deep", [False, True])
def test_a_forged_node_is_refused(kind: str, deep: bool, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    forged = FORGED[kind](f"touch '{marker}'")
    if deep:
        forged = _node("ObjectNode", TRUSTED[0], content=_dict(classes=_tuple(forged)))

    message = _refused(_write_skops(tmp_path / "forged.skops", forged), marker)

    assert "not trusted" in message


@pytest.mark.parametrize("protocol", range(4))
def test_older_protocols_are_refused_too(protocol: int, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    schema = {**_runs(f"touch '{marker}'"), "protocol": protocol, "_skops_version": "0"}
    _refused(_write_skops(tmp_path / "forged.skops", json.dumps(schema)), marker)


def _npy(array: np.ndarray, **options: Any) -> bytes:
    content = io.BytesIO()
    np.save(content, array, **options)
    return content.getvalue()


def _npy_header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    content = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(content, header)
    return content.getvalue()


class _Touches:
    """Runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self._marker}'",)


@pytest.mark.parametrize(
    "content",
    [
        _npy_header((10**15,)),
        _npy_header((10**9, 10**9, 10**9)),
        _npy_header((-1,)) + bytes(8),
        _npy_header((0,), "|V8") + bytes(8),
        _npy(np.zeros(3))[:-1],
        _npy(np.array(["a"])),
        b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16,
        b"",
    ],
)
def test_an_array_that_differs_from_its_header_is_refused(content: bytes, tmp_path: Path) -> None:
    array = _node("NdArrayNode", "numpy.ndarray", type="numpy", file="1.npy")
    message = _refused(_write_skops(tmp_path / "forged.skops", array, **{"1": content}))
    assert "1.npy" in message


def test_a_pickled_array_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    content = _npy(np.array([_Touches(marker)], dtype=object), allow_pickle=True)
    array = _node("NdArrayNode", "numpy.ndarray", type="numpy", file="1.npy")
    _refused(_write_skops(tmp_path / "forged.skops", array, **{"1": content}), marker)


def test_an_array_that_is_named_many_times_is_read_once(tmp_path: Path) -> None:
    array = _node("NdArrayNode", "numpy.ndarray", type="numpy", file="1.npy")
    many = _node("ListNode", "builtins.list", content=[array] * 1000)
    content = _npy(np.zeros(100_000))
    message = _refused(_write_skops(tmp_path / "forged.skops", many, **{"1": content}))
    assert "many times" in message


def test_an_svm_may_share_arrays(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    target = np.array([f"class {row % 12}" for row in range(2400)], dtype=object)
    rows = Rows(rng.normal(size=(2400, 2)), target, target)
    dataset = SkopsDataset(filepath=str(tmp_path / "a.skops"))
    dataset.save(CalibratedSvm(fit_svm(rows, {"C": 1.0, "gamma": 0.3}), 0.5, 60, 3.0))
    assert dataset.load().svm[-1].dual_coef_.shape[0] == 11


@pytest.mark.parametrize(
    "schema",
    [
        "[" * 100_000,
        '{"__loader__": ' * 50_000,
        json.dumps(_node("ListNode", "builtins.list", content=[]))[:-5],
        "[]",
        "{}",
        "null",
        "\xff",
        " " * (2**24 + 1) + "{}",
        json.dumps(_node("ObjectNode", TRUSTED[0], content=5)),
        json.dumps({**_json(1), "protocol": 2, "content": "[" * 100_000}),
        json.dumps({**_json(1), "protocol": 2, "content": "9" * 10_000}),
        json.dumps({**_json(1), "protocol": 99}),
        json.dumps({**_json(1), "__loader__": ["JsonNode"]}),
        json.dumps({"__loader__": {"a": "JsonNode"}}),
    ],
    ids=range(14),
)
def test_an_invalid_schema_is_refused(schema: str, tmp_path: Path) -> None:
    _refused(_write_skops(tmp_path / "forged.skops", schema))


def test_a_node_that_contains_itself_is_refused(tmp_path: Path) -> None:
    inner = _node("ListNode", "builtins.list", content=[], __id__=7)
    _refused(_write_skops(tmp_path / "f.skops", {**inner, "content": [inner]}))


def test_a_compressed_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "forged.skops"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", json.dumps(_json(1)))
        archive.writestr("1.npy", bytes(10**7))
    assert "compressed" in _refused(SkopsDataset(filepath=str(path)))


def test_members_that_share_their_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "forged.skops"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(_json(1)))
        archive.writestr("0.npy", bytes(100_000))
        for place in range(1, 9):
            twin = zipfile.ZipInfo(f"{place}.npy")
            for name in ("file_size", "compress_size", "CRC", "header_offset"):
                setattr(twin, name, getattr(archive.filelist[1], name))
            archive.filelist.append(twin)
    assert "claims to hold more" in _refused(SkopsDataset(filepath=str(path)))


@pytest.mark.parametrize(
    ("name", "forged"),
    [
        # This one would crash the process: a segmentation fault in libsvm.
        ("_n_support", lambda n: np.array([10**7, n - 10**7, 0], dtype=np.int32)),
        ("_n_support", lambda n: np.array([n], dtype=np.int32)),
        ("_dual_coef_", lambda n: np.zeros((2, 1))),
        ("_intercept_", lambda n: np.zeros(0)),
        ("_probA", lambda n: np.zeros(1)),
        ("support_", lambda n: np.zeros(1, dtype=np.int32)),
        ("support_vectors_", lambda n: np.zeros((n, 1))),
        ("kernel", lambda n: "precomputed"),
        ("_sparse", lambda n: True),
        ("_impl", lambda n: "one_class"),
        ("classes_", lambda n: np.array(["a"], dtype=object)),
        ("dual_coef_", lambda n: "text"),
    ],
)
def test_a_support_vector_machine_of_other_lengths_is_refused(
    name: str, forged: Callable[[int], Any], tmp_path: Path
) -> None:
    estimator = _estimators()["svm"]
    svc = estimator.svm[-1]
    vars(svc)[name] = forged(len(svc.support_vectors_))
    dataset = SkopsDataset(filepath=str(tmp_path / "forged.skops"))
    dataset.save(estimator)
    _refused(dataset)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive", bytes(10_000)])
@pytest.mark.parametrize("kind", ["skops", "keras", "parquet"])
def test_a_file_of_another_format_is_named(content: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"forged.{kind}"
    path.write_bytes(content)
    dataset = {
        "skops": SkopsDataset(filepath=str(path)),
        "keras": KerasDataset(filepath=str(path), custom_layers=OWN_LAYERS),
        "parquet": ParquetDataset(filepath=str(path)),
    }[kind]
    _refused(dataset)


# --- Keras ---------------------------------------------------------------------------------------


def _network(**given: Any) -> keras.Model:
    parameters = disentangler(**SMALL, **given)
    columns = {"room": 3, "distance": 1}
    return build_disentangler(SHAPES, 3, parameters, seed=1, factor_columns=columns)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_of_the_project_loads(name: str, tmp_path: Path) -> None:
    dataset = KerasDataset(filepath=str(tmp_path / "a.keras"), custom_layers=OWN_LAYERS)
    network = _network(**NETWORKS[name])
    network.stamp_ = dict(STAMP)
    dataset.save(network)

    loaded = dataset.load()

    assert loaded.stamp_ == STAMP
    for before, after in zip(network.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_the_trusted_layers_are_those_of_the_project() -> None:
    importlib.import_module(OWN_LAYERS)
    own = {
        (value.__module__, value.__name__, name)
        for name, value in keras.saving.get_custom_objects().items()
        if name.startswith("disentangled_audio>")
    }
    trusted = {names for names in TRUSTED_BY_KERAS if str(names[2]).startswith("disentangled")}
    assert trusted == own, f"a layer is new or has moved; trusted have to be {sorted(own)}"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    path = tmp_path_factory.mktemp("model") / "model.keras"
    KerasDataset(filepath=str(path), custom_layers=OWN_LAYERS).save(_network())
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write_keras(path: Path, members: dict[str, bytes], **options: Any) -> KerasDataset:
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return KerasDataset(filepath=str(path), custom_layers=OWN_LAYERS)


def _named(module: Any, class_name: Any, registered_name: Any = None, **config: Any) -> Any:
    names = {"module": module, "class_name": class_name, "registered_name": registered_name}
    return {**names, "config": config}


def _as_layer(forged: Any) -> Callable[[Any], None]:
    return lambda config: config["config"]["layers"].append({**forged, "name": "x"})


def _in_layer(class_name: str, **given: Any) -> Callable[[Any], None]:
    def forge(config: Any) -> None:
        layers = config["config"]["layers"]
        next(one for one in layers if one["class_name"] == class_name)["config"].update(given)

    return forge


def _built(class_name: str, build_config: Any) -> Callable[[Any], None]:
    def forge(config: Any) -> None:
        layers = config["config"]["layers"]
        layer = next(one for one in layers if one["class_name"] == class_name)
        layer["build_config"] = build_config

    return forge


CONFIGS: dict[str, Callable[[Any], None]] = {
    "lambda layer": _as_layer(_named("keras.layers", "Lambda", function="x")),
    "lambda in a layer": _in_layer("Dense", activation={"class_name": "__lambda__", "config": {}}),
    "function": _in_layer(
        "Dense",
        activation={
            **{"class_name": "function", "config": "get_file", "module": "keras.utils"},
            "registered_name": "get_file",
        },
    ),
    "layer that reads a file": _as_layer(
        _named("keras.layers", "StringLookup", vocabulary="/etc/passwd")
    ),
    "pickled torch": _as_layer(_named("keras.layers", "TorchModuleWrapper")),
    "saved model": _as_layer(_named("keras.layers", "TFSMLayer", filepath="/tmp/x")),
    "foreign module": _as_layer(_named("os", "system")),
    "imported by our module": _as_layer(_named(OWN_LAYERS, "keras", "disentangled_audio>keras")),
    "other registered name": _as_layer(_named("keras.layers", "Dense", "Custom>Dense", units=1)),
    "no module": _as_layer({"class_name": "Dense", "config": {"units": 1}}),
    "type specification": _in_layer("Dense", extra={"class_name": "__typespec__", "config": []}),
    "list for a name": _as_layer(_named(["os"], {"a": "system"})),
    "compiled": lambda config: config.update(
        compile_config={"loss": _named("keras.losses", "MeanSquaredError")}
    ),
    "build": _built("Dense", {"input_shape": [None, _named("os", "system")]}),
    "initializer": _in_layer("Dense", kernel_initializer=_named("keras.random", "normal")),
    "huge layer": _in_layer("Dense", units=2**23),
    "huge number": _in_layer("Dense", units=10**12),
    "huge input": _built("Dense", {"input_shape": [None, 2**24]}),
    "no input": _built("Dense", {}),
    "input is text": _built("Dense", {"input_shape": "shape"}),
    "named shapes": _built("Dense", {"shapes_dict": {"input_shape": [None, 2**24]}}),
    "other axis": _in_layer("GroupNormalization", axis=1),
    "channels first": _in_layer("Conv2D", data_format="channels_first"),
    "huge kernel": _in_layer("Conv2D", kernel_size=[2**20, 2**20]),
    "own code": _in_layer("Standardise", name={"module": "posix", "class_name": "system"}),
    "deep": _in_layer("Dense", name=json.loads("[" * 500 + "]" * 500)),
    "no layers": lambda config: config["config"].pop("layers"),
    "no class": lambda config: config.pop("class_name"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_forged_network_is_refused(
    kind: str, members: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = json.loads(members["config.json"])
    CONFIGS[kind](config)
    forged = {**members, "config.json": json.dumps(config).encode()}
    if kind != "no layers":
        # Refused before Keras sees it.
        monkeypatch.setattr(
            "keras.src.saving.saving_lib.load_model", lambda *_, **__: pytest.fail("loaded")
        )
    _refused(_write_keras(tmp_path / "forged.keras", forged))


def test_weights_of_another_shape_are_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    other = io.BytesIO(members[WEIGHTS])
    with h5py.File(other, "r+") as file:
        del file["layers/dense/vars/0"]
        file["layers/dense/vars/0"] = np.zeros((1, 1), dtype=np.float32)
    _refused(_write_keras(tmp_path / "forged.keras", {**members, WEIGHTS: other.getvalue()}))


def _link_out(file: h5py.File) -> None:
    file["layers/x"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft_link(file: h5py.File) -> None:
    file["layers/x"] = h5py.SoftLink("/layers")


def _hard_circle(file: h5py.File) -> None:
    file["layers/x"] = file["layers"]


def _stored_elsewhere(file: h5py.File) -> None:
    place = [("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("layers/x", (10,), "u1", external=place)


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout(shape=(10,), dtype="f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", shape=(10,))
    file.create_virtual_dataset("layers/x", layout)


def _unwritten(file: h5py.File) -> None:
    file.create_dataset("layers/x", (10**12,), "f4")


def _compressed(file: h5py.File) -> None:
    file.create_dataset("layers/x", data=np.zeros(10**6), compression="gzip")


def _texts(file: h5py.File) -> None:
    file.create_dataset("layers/x", data=["text"])


@pytest.mark.parametrize(
    "forge",
    [
        *(_link_out, _soft_link, _hard_circle, _stored_elsewhere, _virtual, _unwritten),
        *(_compressed, _texts),
    ],
)
def test_weights_that_lead_elsewhere_are_refused(
    forge: Callable[[h5py.File], None], members: dict[str, bytes], tmp_path: Path
) -> None:
    content = io.BytesIO(members[WEIGHTS])
    with h5py.File(content, "r+") as file:
        forge(file)
    forged = {**members, WEIGHTS: content.getvalue()}
    assert WEIGHTS in _refused(_write_keras(tmp_path / "forged.keras", forged))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("assets/../../x", b"text"),
        ("model.weights.json", b"{}"),
        (WEIGHTS, b"no hdf5"),
        (WEIGHTS, b""),
        ("config.json", b"[" * 100_000),
        ("metadata.json", b"{"),
        (STAMP_MEMBER, b"[]"),
        (STAMP_MEMBER, b"\xff"),
    ],
)
def test_other_members_are_refused(
    name: str, content: bytes, members: dict[str, bytes], tmp_path: Path
) -> None:
    _refused(_write_keras(tmp_path / "forged.keras", {**members, name: content}))


@pytest.mark.parametrize("name", ["config.json", "metadata.json", WEIGHTS, STAMP_MEMBER])
def test_a_missing_member_is_named(name: str, members: dict[str, bytes], tmp_path: Path) -> None:
    rest = {other: content for other, content in members.items() if other != name}
    assert name in _refused(_write_keras(tmp_path / "forged.keras", rest))


def test_a_compressed_network_is_refused(members: dict[str, bytes], tmp_path: Path) -> None:
    dataset = _write_keras(tmp_path / "f.keras", members, compression=zipfile.ZIP_DEFLATED)
    assert "compressed" in _refused(dataset)


# --- zarr ----------------------------------------------------------------------------------------


def _write_zarr(path: Path, **given: Any) -> ZarrDataset:
    array = zarr.create_array(store=path, shape=(6, 4), chunks=(3, 4), dtype="float32")
    array[...] = 1.0
    file = path / zarr_check.METADATA
    file.write_text(json.dumps({**json.loads(file.read_text()), **given}))
    return ZarrDataset(filepath=str(path))


def _grid(*chunks: int, name: str = "regular") -> dict[str, Any]:
    return {"name": name, "configuration": {"chunk_shape": list(chunks)}}


_SHARD = {
    "chunk_shape": [1, 1],
    "codecs": [{"name": "bytes"}],
    "index_codecs": [{"name": "numcodecs.pickle"}],
}
METADATA: dict[str, dict[str, Any]] = {
    "huge shape": {"shape": [10**15, 4]},
    "huge shape of large chunks": {"shape": [10**9, 4], "chunk_grid": _grid(10**6, 4)},
    "huge chunk": {"chunk_grid": _grid(10**9, 4)},
    "huge chunk and shape": {"shape": [10**12, 4], "chunk_grid": _grid(10**12, 4)},
    "tiny chunks": {"shape": [10**7, 4], "chunk_grid": _grid(1, 1)},
    "no length": {"shape": [6, -4]},
    "not whole": {"shape": [6, 4.5]},
    "chunk of nothing": {"chunk_grid": _grid(0, 4)},
    "true": {"shape": [True, 4]},
    "other dimensions": {"chunk_grid": _grid(3)},
    "many dimensions": {"shape": [1] * 40, "chunk_grid": _grid(*[1] * 40)},
    "texts": {"data_type": "string", "fill_value": ""},
    "bytes": {"data_type": {"name": "null_terminated_bytes", "configuration": {}}},
    "group": {"node_type": "group"},
    "older format": {"zarr_format": 2},
    "consolidated": {"consolidated_metadata": {"kind": "inline", "metadata": {}}},
    "must understand": {"plugin": {"name": "x", "must_understand": True}},
    "transformers": {"storage_transformers": [{"name": "x"}]},
    "keys": {"chunk_key_encoding": {"name": "v2", "configuration": {"separator": "/"}}},
    "separator": {"chunk_key_encoding": {"name": "default", "configuration": {"separator": "../"}}},
    "grid": {"chunk_grid": _grid(3, 4, name="rectilinear")},
    "pickle": {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]},
    "gzip": {"codecs": [{"name": "bytes"}, {"name": "gzip", "configuration": {"level": 1}}]},
    "pickle in a shard": {"codecs": [{"name": "sharding_indexed", "configuration": _SHARD}]},
    "codec without name": {"codecs": [{}]},
    "codec is text": {"codecs": ["bytes"]},
    "no codecs": {"codecs": None},
    "deep": {"attributes": json.loads("[" * 500 + "]" * 500)},
}


@pytest.mark.parametrize("kind", METADATA)
def test_a_forged_array_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = _write_zarr(tmp_path / "forged.zarr", **METADATA[kind])
    monkeypatch.setattr("zarr.open_array", lambda *_, **__: pytest.fail("opened"))
    _refused(dataset)


@pytest.mark.parametrize("content", ["", "[]", "null", "[" * 100_000, "{" * 10])
def test_metadata_of_no_array_are_refused(content: str, tmp_path: Path) -> None:
    dataset = _write_zarr(tmp_path / "forged.zarr")
    (tmp_path / "forged.zarr" / "zarr.json").write_text(content)
    _refused(dataset)


def test_long_metadata_are_not_read(tmp_path: Path) -> None:
    dataset = _write_zarr(tmp_path / "forged.zarr")
    os.truncate(tmp_path / "forged.zarr" / "zarr.json", 2**40)
    assert "bytes of zarr.json" in _refused(dataset)


def test_an_array_of_zarr_format_2_is_refused(tmp_path: Path) -> None:
    facts = {"zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "order": "C"}
    coded = {"compressor": None, "fill_value": None, "filters": [{"id": "pickle"}]}
    folder = tmp_path / "forged.zarr"
    folder.mkdir()
    (folder / ".zarray").write_text(json.dumps({**facts, **coded}))
    _refused(ZarrDataset(filepath=str(folder)))


def _link(chunk: Path) -> None:
    chunk.unlink()
    chunk.symlink_to("/etc/passwd")


def _linked_folder(chunk: Path) -> None:
    folder = chunk.parents[1]
    folder.rename(folder.parents[1] / "elsewhere")
    folder.symlink_to(folder.parents[1] / "elsewhere")


def _pipe(chunk: Path) -> None:
    chunk.unlink()
    os.mkfifo(chunk)


def _endless(chunk: Path) -> None:
    os.truncate(chunk, 2**40)


def _zstd_bomb(chunk: Path) -> None:
    """A frame that claims 2^50 bytes."""
    chunk.write_bytes(b"\x28\xb5\x2f\xfd\xe0" + (2**50).to_bytes(8, "little") + bytes(8))


def _zstd_of_unknown_size(chunk: Path) -> None:
    chunk.write_bytes(b"\x28\xb5\x2f\xfd\x00\x58" + bytes(8))


def _linked_metadata(chunk: Path) -> None:
    file = chunk.parents[2] / "zarr.json"
    file.rename(file.parents[1] / "elsewhere.json")
    file.symlink_to(file.parents[1] / "elsewhere.json")


@pytest.mark.parametrize(
    "forge",
    [
        *(_link, _linked_folder, _pipe, _endless, _zstd_bomb, _zstd_of_unknown_size),
        _linked_metadata,
    ],
)
def test_forged_chunks_are_refused(forge: Callable[[Path], None], tmp_path: Path) -> None:
    dataset = _write_zarr(tmp_path / "forged.zarr")
    assert dataset.load().shape == (6, 4)
    forge(tmp_path / "forged.zarr" / "c" / "0" / "0")
    _refused(dataset)


@pytest.mark.parametrize("shape", [(), (0, 4), (1,), (7, 300), (64, 1000), (3, 70_000)])
@pytest.mark.parametrize("dtype", ["bool", "int8", "int64", "float32", "float64"])
def test_arrays_of_any_size_and_number_load(
    shape: tuple[int, ...], dtype: str, tmp_path: Path
) -> None:
    values = np.ones(shape, dtype=dtype)
    chunks = tuple(max(1, length) for length in shape)
    dataset = ZarrDataset(filepath=str(tmp_path / "a.zarr"))
    dataset.save(zarr.create_array(store={}, data=values, chunks=chunks))
    np.testing.assert_array_equal(dataset.load()[...], values)


# --- parquet -------------------------------------------------------------------------------------


class _Opaque(pa.ExtensionType):
    def __init__(self) -> None:
        super().__init__(pa.int64(), "disentangled_audio.test")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: Any, serialized: bytes) -> "_Opaque":
        raise AssertionError("a registered type was made")


def _columns(marker: Path) -> dict[str, pa.Table]:
    pickled = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": b"cposix\nsystem\n(S'touch " + bytes(marker) + b"'\ntR.",
    }
    field = pa.field("a", pa.int64(), metadata=pickled)
    unknown = pa.field("a", pa.int64(), metadata={b"ARROW:extension:name": b"unknown"})
    one = pa.array([1])
    return {
        "pickled extension": pa.table([one], schema=pa.schema([field])),
        "unknown extension": pa.table([one], schema=pa.schema([unknown])),
        "registered extension": pa.table({"a": pa.ExtensionArray.from_storage(_Opaque(), one)}),
        "list of extension": pa.table(
            [pa.array([[1]])], schema=pa.schema([pa.field("a", pa.list_(field.with_name("x")))])
        ),
        "struct": pa.table({"a": [{"b": 1}]}),
        "map": pa.table({"a": pa.array([[("b", 1)]], pa.map_(pa.string(), pa.int64()))}),
        "bytes": pa.table({"a": [b"bytes"]}),
    }


@pytest.mark.parametrize("kind", list(_columns(Path())))
def test_columns_of_other_types_are_refused(kind: str, tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "forged.parquet"
    pq.write_table(_columns(marker)[kind], path)
    assert "'a'" in _refused(ParquetDataset(filepath=str(path)), marker)


@pytest.mark.parametrize("limit", ["MAX_VALUES", "MAX_BYTES"])
def test_a_table_that_claims_too_much_is_not_read(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = ParquetDataset(filepath=str(tmp_path / "forged.parquet"))
    dataset.save(pd.DataFrame({"a": np.zeros(1000), "b": "text"}))
    monkeypatch.setattr(parquet_files, limit, 1500 if limit == "MAX_VALUES" else 50)
    monkeypatch.setattr("pandas.read_parquet", lambda *_, **__: pytest.fail("read"))
    assert "claims" in _refused(dataset)


def test_a_folder_is_refused_as_a_table(tmp_path: Path) -> None:
    folder = tmp_path / "forged.parquet"
    folder.mkdir()
    pd.DataFrame({"a": [1]}).to_parquet(folder / "part.parquet")
    _refused(ParquetDataset(filepath=str(folder)))


def test_tables_of_the_project_load(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {
            **{"text": ["a", None], "number": [1.5, np.nan], "whole": [1, 2]},
            **{"true": [True, False]},
            **{"float32": np.zeros(2, np.float32), "list": [[1.0, 2.0], [3.0]]},
            **{"kind": pd.Categorical(["x", "y"]), "none": [None, None]},
        },
        index=["first", "second"],
    )
    dataset = ParquetDataset(filepath=str(tmp_path / "a.parquet"))
    dataset.save(table)
    loaded = dataset.load()
    assert list(loaded.columns) == list(table.columns)
    assert loaded["text"].tolist()[0] == "a"
