"""An ONNX file may come from anyone: it can compute, and nothing else."""

import sys

import numpy as np
import pytest

from disentangled_audio.errors import UserError
from disentangled_audio.storage import onnx_files
from disentangled_audio.storage.onnx_files import check_onnx, read_onnx
from tests.onnx_networks import dense, field, model, node, tensor, value

N = 8
TAKEN, GIVEN = value("x", ["n", N]), value("y", ["n", 4])
WEIGHTS = tensor("w", np.ones((N, 4), np.float32))
PRODUCT = node("MatMul", ["x", "w"], "y")
LOOP = field(1, "body") + field(6, field(2, "g")) + field(20, 5)
IN_ATTRIBUTE = field(1, "value") + field(5, tensor("v", np.ones(1, np.float32), field(14, 1)))
ELSEWHERE = field(13, field(1, "location") + field(2, "../../etc/passwd"))
HUGE = field(1, 10**9) + field(1, 10**9) + field(2, 1) + field(8, "w")
PACKED = field(1, b"\xff\xff\x03\xff\xff\x03") + field(2, 1) + field(8, "w")


def test_a_network_runs() -> None:
    session = read_onnx(dense(["n", N], N), "net.onnx")
    (given,) = session.run(["y"], {"x": np.ones((3, N), np.float32)})
    assert given.shape == (3, 4)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an ONNX network"),
        (b"RIFF....WAVEfmt and no network at all", "is not an ONNX network"),
        (dense(["n", N], N)[:-20], "is not an ONNX network: it is cut off"),
        (
            model([PRODUCT], [tensor("w", np.ones((N, 4), np.float32), ELSEWHERE)], TAKEN, GIVEN),
            "keeps weights in other files; export it as one file",
        ),
        (
            model([node("Constant", [], "w", IN_ATTRIBUTE), PRODUCT], [], TAKEN, GIVEN),
            "keeps weights in other files",
        ),
        (model([PRODUCT], [HUGE], TAKEN, GIVEN), "claims weights that are larger than itself"),
        (model([PRODUCT], [PACKED], TAKEN, GIVEN), "claims weights that are larger than itself"),
        (
            model([node("Run", ["x"], "y", domain="com.shell")], [], TAKEN, GIVEN),
            "uses the operator 'Run' of 'com.shell', which is not standard ONNX",
        ),
        (
            model([node("Loop", ["x"], "y", LOOP)], [], TAKEN, GIVEN),
            r"has a loop or a branch \(Loop\)",
        ),
        (
            model([PRODUCT], [WEIGHTS], TAKEN, GIVEN, in_model=field(25, field(1, "f"))),
            "defines functions",
        ),
        (
            model([PRODUCT], [WEIGHTS], TAKEN, GIVEN, in_graph=field(15, field(1, WEIGHTS))),
            "has sparse weights",
        ),
    ],
)
def test_what_could_do_more_than_compute_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UserError, match=rf"^net\.onnx {message}"):
        check_onnx(content, "net.onnx")


def test_a_large_file_and_one_of_many_parts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_files, "MAX_BYTES", 100)
    with pytest.raises(UserError, match=r"has 101 bytes, more than the limit of 100"):
        check_onnx(bytes(101), "net.onnx")
    monkeypatch.setattr(onnx_files, "MAX_FIELDS", 10)
    with pytest.raises(UserError, match=r"more than 10 fields"):
        check_onnx(field(1, 8) * 11, "net.onnx")


def test_what_onnxruntime_refuses_is_named() -> None:
    content = model([node("Nothing", ["x"], "y")], [], TAKEN, GIVEN)
    with pytest.raises(UserError, match=r"net\.onnx cannot be loaded by onnxruntime .*Nothing"):
        read_onnx(content, "net.onnx")


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Expand"])
def test_a_small_file_cannot_take_all_memory(operator: str) -> None:
    """Eight gigabytes of ones, whose sum is added to the output."""
    once = [field(1, "keepdims") + field(3, 0) + field(20, 2)]
    size = tensor("s", np.array([2 * 10**9], np.int64))
    inputs = ["s"] if operator == "ConstantOfShape" else ["one", "s"]
    nodes = [
        node(operator, inputs, "large"),
        node("ReduceSum", ["large"], "sum", *once),
        node("MatMul", ["x", "w"], "z"),
        node("Add", ["z", "sum"], "y"),
    ]
    one = tensor("one", np.ones(1, np.float32))
    session = read_onnx(model(nodes, [WEIGHTS, size, one], TAKEN, GIVEN), "net.onnx")
    with pytest.raises(Exception, match=r"smaller than requested bytes of 8000000000"):
        session.run(["y"], {"x": np.ones((1, N), np.float32)})


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    onnx_files._runtime.cache_clear()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"need onnxruntime.*'disentangled-audio\[pretrained\]'"):
        read_onnx(dense(["n", N], N), "net.onnx")
