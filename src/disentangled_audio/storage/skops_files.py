"""Files of scikit-learn estimators in skops format, without pickle and limited to listed types."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from disentangled_audio.storage.limits import (
    check_npy,
    json_mappings,
    json_member,
    not_loaded,
    opened_zip,
    refused,
    stored_members,
)

SCHEMA = "schema.json"
# The project's own estimators by exact name. When one moves, a test prints the new list.
TRUSTED = (
    "disentangled_audio.models.absent.AbsentMember",
    "disentangled_audio.models.fusion.ProbabilityFusion",
    "disentangled_audio.models.svm.CalibratedSvm",
)
# Their parts from scikit-learn, which a notebook may also save alone as a baseline.
SCIKIT_LEARN = (
    "sklearn.decomposition._pca.PCA",
    "sklearn.kernel_approximation.Nystroem",
    "sklearn.linear_model._logistic.LogisticRegression",
    "sklearn.pipeline.Pipeline",
    "sklearn.preprocessing._data.StandardScaler",
    "sklearn.svm._classes.LinearSVC",
    "sklearn.svm._classes.SVC",
)
NUMBERS = ("numpy.float32", "numpy.float64", "numpy.int32", "numpy.int64")
# Kinds of nodes in files of this project, and the types that each may create. skops has other
# kinds, which import or call whatever a file names.
NODES = {
    "ObjectNode": frozenset(TRUSTED + SCIKIT_LEARN),
    "DictNode": frozenset({"builtins.dict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "JsonNode": frozenset({"builtins.str"}),
    "TypeNode": frozenset({"builtins.str", "builtins.int"}),
    "NdArrayNode": frozenset({"numpy.ndarray", *NUMBERS}),
}
# Attributes may share an array, as those of an SVC do.
MAX_READS = 4


def write_skops(estimator: Any, path: Path) -> None:
    """Write an estimator to a new file."""
    from skops import io as skops

    skops.dump(estimator, path)


def read_skops(content: bytes, path: Any) -> Any:
    """Check and load an estimator from the bytes of its file; messages name `path`.

    Raises
    ------
    UserError
        If the file is damaged, or holds anything that this project does not write.
    """
    from skops import io as skops

    check(content, path)
    try:
        loaded = skops.loads(content, trusted=list(TRUSTED))
        machines_fit = all(map(_fits, _machines(loaded)))
    except Exception as error:  # a forged file can provoke any error in skops and scikit-learn
        raise not_loaded(path, error) from error
    if not machines_fit:
        raise refused(path, "holds a support vector machine whose arrays do not fit together")
    return loaded


def check(content: bytes, path: Any) -> None:
    """Refuse a file with nodes, types or members that this project does not write."""
    with opened_zip(io.BytesIO(content), path) as archive:
        sizes = stored_members(archive, len(content), path)
        nodes = _nodes(json_member(archive, SCHEMA, path), path)
        foreign = sorted(
            {
                f"{_type_name(node)} ({node.get('__loader__')})"
                for node in nodes
                if not _is_known(node)
            }
        )
        if foreign:
            raise refused(path, f"holds types that are not trusted: {', '.join(foreign)}")
        files = [node["file"] for node in nodes if "file" in node]
        _check_files(files, sizes, path)
        for name in sorted(set(files)):
            check_npy(archive.read(name), path, name)


def _nodes(schema: Any, path: Any) -> list[dict[str, Any]]:
    """List every mapping in a schema that skops may interpret as a node."""
    if not isinstance(schema, dict) or "__loader__" not in schema:
        raise refused(path, f"has a {SCHEMA} that describes no estimator")
    keys = {"__loader__", "__class__", "__module__", "__reduce__"}
    return [mapping for mapping in json_mappings(schema, path) if mapping.keys() & keys]


def _is_known(node: dict[str, Any]) -> bool:
    loader = node.get("__loader__")
    return isinstance(loader, str) and _type_name(node) in NODES.get(loader, ())


def _type_name(node: dict[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _check_files(names: list[Any], sizes: dict[str, int], path: Any) -> None:
    """Refuse a file that names an array so often that reading it each time would fill memory."""
    if not all(isinstance(name, str) and name in sizes for name in names):
        raise refused(path, "names an array that it does not hold")
    if sum(sizes[name] for name in names) > MAX_READS * sum(sizes.values()):
        raise refused(path, "names the same array too many times")


def _machines(loaded: Any) -> Iterator[Any]:
    """Yield every SVC among the attributes of an estimator."""
    waiting, seen = [loaded], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if type(value).__name__ == "SVC":
            yield value
        if isinstance(value, list | tuple):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
        else:
            waiting.extend(getattr(value, "__dict__", {}).values())


def _fits(svc: Any) -> bool:
    """Tell whether the arrays of an SVC have the lengths that libsvm assumes without checking."""
    if "support_vectors_" not in vars(svc):
        return True
    n_vectors, n_features = svc.support_vectors_.shape
    n_classes = len(svc.classes_)
    n_pairs = n_classes * (n_classes - 1) // 2
    # For two classes, scikit-learn keeps copies with the opposite sign.
    lengths = {
        "support_": (n_vectors,),
        "_n_support": (n_classes,),
        "dual_coef_": (n_classes - 1, n_vectors),
        "_dual_coef_": (n_classes - 1, n_vectors),
        "intercept_": (n_pairs,),
        "_intercept_": (n_pairs,),
    }
    return (
        all(getattr(svc, name).shape == shape for name, shape in lengths.items())
        and all(getattr(svc, name).size in (0, n_pairs) for name in ("_probA", "_probB"))
        and svc._n_support.min() >= 0
        and svc._n_support.sum() == n_vectors
        and (svc.n_features_in_, svc.kernel, svc._sparse) == (n_features, "rbf", False)
        # `_impl` would select another of libsvm's machines, with other arrays.
        and "_impl" not in vars(svc)
    )
