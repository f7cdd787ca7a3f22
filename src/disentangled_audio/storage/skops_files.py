"""Files of scikit-learn estimators in skops format: no pickle, and no type but those named here."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from disentangled_audio.errors import UserError
from disentangled_audio.storage.limits import (
    check_npy,
    json_mappings,
    json_member,
    opened_zip,
    refused,
    stored_members,
)

SCHEMA = "schema.json"
# The project's own estimators, each by its exact name. When one moves, a test prints the new list.
TRUSTED = (
    "disentangled_audio.models.absent.AbsentMember",
    "disentangled_audio.models.fusion.ProbabilityFusion",
    "disentangled_audio.models.svm.CalibratedSvm",
)
# scikit-learn's parts of them. A notebook may save a plain baseline too.
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
# The kinds of nodes in files of this project, and what each may make. skops knows others, which
# import or call what a file names.
NODES = {
    "ObjectNode": frozenset(TRUSTED + SCIKIT_LEARN),
    "DictNode": frozenset({"builtins.dict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "JsonNode": frozenset({"builtins.str"}),
    "TypeNode": frozenset({"builtins.str", "builtins.int"}),
    "NdArrayNode": frozenset({"numpy.ndarray", *NUMBERS}),
}
# Two attributes may share an array, as those of an SVC do.
MAX_READS = 4


def write_skops(estimator: Any, path: Path) -> None:
    """Write an estimator to a new file."""
    from skops import io as skops

    skops.dump(estimator, path)


def read_skops(content: bytes, path: Any) -> Any:
    """An estimator from the bytes of its file.

    Parameters
    ----------
    content : bytes
        The whole file. It is checked and loaded from the same bytes.
    path
        Where it lies, for messages.

    Raises
    ------
    UserError
        If the file holds anything that this project does not write, or is damaged.
    """
    from skops import io as skops

    check(content, path)
    try:
        loaded = skops.loads(content, trusted=list(TRUSTED))
        machines_fit = all(map(_fits, _machines(loaded)))
    except Exception as error:
        # Whatever else a forged file may provoke in skops, NumPy or scikit-learn.
        raise UserError(
            f"{path} cannot be loaded ({type(error).__name__}: {error}). It is damaged, or of "
            "another version of the project; delete this version."
        ) from error
    if not machines_fit:
        raise refused(path, "holds a support vector machine whose arrays do not fit together")
    return loaded


def check(content: bytes, path: Any) -> None:
    """Refuse a file with other nodes, types or members than this project writes.

    Parameters
    ----------
    content
        The whole file.
    path
        Where it lies, for the message.

    Raises
    ------
    UserError
        It names the file and what is wrong with it.
    """
    with opened_zip(io.BytesIO(content), path) as archive:
        sizes = stored_members(archive, len(content), path)
        nodes = _nodes(json_member(archive, SCHEMA, path), path)
        foreign = sorted({_named(node) for node in nodes if not _is_known(node)})
        if foreign:
            raise refused(path, f"holds types that are not trusted: {', '.join(foreign)}")
        files = [node["file"] for node in nodes if "file" in node]
        _check_files(files, sizes, path)
        for name in sorted(set(files)):
            check_npy(archive.read(name), path, name)


def _nodes(schema: Any, path: Any) -> list[dict[str, Any]]:
    """Every mapping of a schema that skops may take for a node."""
    if not isinstance(schema, dict) or "__loader__" not in schema:
        raise refused(path, f"has a {SCHEMA} that describes no estimator")
    return [mapping for mapping in json_mappings(schema, path) if _is_node(mapping)]


def _is_node(mapping: dict[str, Any]) -> bool:
    return bool(mapping.keys() & {"__loader__", "__class__", "__module__", "__reduce__"})


def _is_known(node: dict[str, Any]) -> bool:
    loader = node.get("__loader__")
    return isinstance(loader, str) and _type_name(node) in NODES.get(loader, ())


def _type_name(node: dict[str, Any]) -> str:
    return f"{node.get('__module__')}.{node.get('__class__')}"


def _named(node: dict[str, Any]) -> str:
    return f"{_type_name(node)} ({node.get('__loader__')})"


def _check_files(names: list[Any], sizes: dict[str, int], path: Any) -> None:
    """Refuse an array that is named so often that reading it each time would fill the memory."""
    if not all(isinstance(name, str) and name in sizes for name in names):
        raise refused(path, "names an array that it does not hold")
    if sum(sizes[name] for name in names) > MAX_READS * sum(sizes.values()):
        raise refused(path, "names the same array many times")


def _machines(loaded: Any) -> Iterator[Any]:
    """Every SVC among the attributes of an estimator."""
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
    """Whether the arrays of an SVC are as long as libsvm takes them to be: it does not look."""
    if "support_vectors_" not in vars(svc):
        return True
    n_vectors, n_features = svc.support_vectors_.shape
    n_classes = len(svc.classes_)
    n_pairs = n_classes * (n_classes - 1) // 2
    # scikit-learn turns the sign of two classes round in copies of these.
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
        # Names another of libsvm's machines, with other arrays.
        and "_impl" not in vars(svc)
    )
