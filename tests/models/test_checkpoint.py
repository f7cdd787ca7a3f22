"""An interrupted training resumes with the same bits, and never from a wrong state."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from disentangled_audio.errors import UserError
from disentangled_audio.models.checkpoint import Checkpoint, digest_of
from disentangled_audio.storage.temporaries import TEMPORARY, temporary_neighbour

pytest.importorskip("tensorflow")

from disentangled_audio.models import resuming, training
from disentangled_audio.models.disentangler import build_disentangler
from tests.conftest import REPOSITORY
from tests.disentangling import disentangler
from tests.models.test_disentangler import (
    LABELS,
    N_CLASSES,
    PLAIN,
    TINY,
    TRAIN_ROWS,
    VALIDATION_ROWS,
    _views,
)

# Drop-out, noise, masks and every augmentation draw from generators of their own.
SIX = disentangler(TINY, epochs=6, patience_epochs=6)


class _StopError(Exception):
    pass


def _train(folder: Path | None, progress=None, parameters=SIX, seed: int = 0, views=None):
    return training.train_disentangler(
        _views() if views is None else views,
        LABELS,
        TRAIN_ROWS,
        VALIDATION_ROWS,
        N_CLASSES,
        parameters,
        seed,
        progress,
        folder,
    )


def _interrupt(folder: Path, after_epoch: int = 3, **changes) -> None:
    def stop(epoch: int, row: dict[str, float]) -> None:
        if epoch == after_epoch:
            raise _StopError

    with pytest.raises(_StopError):
        _train(folder, stop, **changes)


def _epochs(folder: Path, **changes) -> list[int]:
    """Epochs that a training reports; a resumed one begins with its last complete epoch."""
    seen = []
    _train(folder, lambda epoch, row: seen.append(epoch), **changes)
    return seen


def _assert_same(result, expected) -> None:
    pd.testing.assert_frame_equal(result[1], expected[1], check_exact=True)
    weights, expected_weights = result[0].get_weights(), expected[0].get_weights()
    for weight, other in zip(weights, expected_weights, strict=True):
        np.testing.assert_array_equal(weight, other)


@pytest.fixture(scope="module")
def undisturbed():
    return _train(None)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoint folder of a training that stopped after its third epoch; copy it to resume."""
    folder = tmp_path_factory.mktemp("interrupted") / "training"
    _interrupt(folder)
    return folder


def _own_messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Log messages of the package, without TensorFlow's."""
    own = [record for record in caplog.records if record.name.startswith("disentangled_audio")]
    return [record.getMessage() for record in own]


def test_a_resumed_training_ends_with_the_bits_of_an_undisturbed_one_and_is_reused(
    undisturbed, interrupted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(interrupted, tmp_path, dirs_exist_ok=True)
    seen = []

    with caplog.at_level(logging.INFO, logger="disentangled_audio"):
        result = _train(tmp_path, lambda epoch, row: seen.append(epoch))

    assert seen == [3, 4, 5, 6]
    assert _own_messages(caplog) == ["training resumes after epoch 3"]
    _assert_same(result, undisturbed)

    caplog.clear()
    seen.clear()
    with caplog.at_level(logging.INFO, logger="disentangled_audio"):
        again = _train(tmp_path, lambda epoch, row: seen.append(epoch))
    assert seen == [6]
    assert _own_messages(caplog) == ["training had finished after epoch 6; its result is reused"]
    _assert_same(again, undisturbed)


def test_a_refit_is_resumed_too(tmp_path: Path) -> None:
    parameters = disentangler(PLAIN, epochs=1, refit_epochs=3)
    shapes = {name: view.shape[1:] for name, view in _views().items()}
    first = build_disentangler(shapes, N_CLASSES, parameters, seed=0)
    weights = first.get_weights()

    def refit(folder: Path | None, progress=None):
        rows = (_views(), LABELS, TRAIN_ROWS, VALIDATION_ROWS, N_CLASSES)
        return training.refit_disentangler(
            first, *rows, parameters, 0, progress=progress, checkpoint_folder=folder
        )

    def stop(epoch: int, row: dict[str, float]) -> None:
        raise _StopError

    with pytest.raises(_StopError):
        refit(tmp_path, stop)
    seen = []
    resumed = refit(tmp_path, lambda epoch, row: seen.append(epoch))

    assert seen == [1, 2, 3]
    _assert_same(resumed, refit(None))
    for weight, before in zip(first.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(weight, before)


@pytest.mark.slow
def test_every_part_of_the_state_is_needed(
    undisturbed, interrupted: Path, tmp_path: Path, monkeypatch
) -> None:
    """Without the optimiser's state, say, the comparison above would fail."""
    for forgotten in ("momentum", "seed_generator"):
        folder = Path(shutil.copytree(interrupted, tmp_path / forgotten))
        monkeypatch.setattr(
            resuming.State,
            "restore",
            _forgetful(resuming.State.restore, forgotten),
        )
        result = _train(folder)
        monkeypatch.undo()

        with pytest.raises(AssertionError):
            _assert_same(result, undisturbed)


def _forgetful(restore, forgotten: str):
    def restore_in_part(state, arrays, facts, variables) -> None:
        fresh = [
            np.array(variable) if forgotten in variable.path else saved
            for variable, saved in zip(variables, arrays["variables"], strict=True)
        ]
        assert any(forgotten in variable.path for variable in variables)
        restore(state, {**arrays, "variables": fresh}, facts, variables)

    return restore_in_part


def test_a_training_with_other_inputs_starts_again_and_replaces_the_checkpoint(
    tmp_path: Path,
) -> None:
    changed = {name: view.copy() for name, view in _views().items()}
    changed["rhythm_view"][0, 0, 0] += 1.0
    two = disentangler(PLAIN, epochs=2)
    others = [
        {"seed": 1},
        {"views": changed},
        {"parameters": disentangler(two, learning_rate=1e-3)},
    ]
    _interrupt(tmp_path / "first", 1, parameters=two)
    for number, change in enumerate(others):
        folder = Path(shutil.copytree(tmp_path / "first", tmp_path / str(number)))
        other = {"parameters": two, **change}
        assert _epochs(folder, **other) == [1, 2], other
        assert [path.name for path in folder.iterdir()] == ["checkpoint.npz"]
    assert _epochs(folder, **other) == [2]


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [_cut, _flip, lambda content: b"", lambda content: b"PK no"])
def test_a_damaged_checkpoint_is_ignored_with_a_warning(
    damage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoint = Checkpoint(tmp_path, "digest")
    checkpoint.save({"weights": [np.arange(1000.0)]}, {"epoch": 3})
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))

    assert checkpoint.load() is None
    assert "checkpoint.npz is damaged" in caplog.text
    assert "training starts again" in caplog.text
    checkpoint.save({}, {"epoch": 1})
    assert checkpoint.load() == ({}, {"epoch": 1})


def test_saved_state_is_loaded_to_the_last_bit(tmp_path: Path) -> None:
    arrays = {
        "weights": [np.float32([[0.1, np.nan]]), np.array(3, dtype=np.int64)],
        "none": [],
        "many": [np.array([number], dtype=np.uint32) for number in range(12)],
    }
    facts = {
        "loss": [0.1 + 0.2, np.inf, 5e-324],
        "generator": np.random.default_rng(0).bit_generator.state,
    }

    Checkpoint(tmp_path, "a").save(arrays, facts)
    loaded, loaded_facts = Checkpoint(tmp_path, "a").load()

    assert loaded_facts == facts
    assert list(loaded) == list(arrays)
    for name, group in arrays.items():
        assert len(loaded[name]) == len(group)
        for array, expected in zip(loaded[name], group, strict=True):
            assert array.dtype == expected.dtype
            np.testing.assert_array_equal(array, expected)
    assert Checkpoint(tmp_path, "b").load() is None
    assert Checkpoint(tmp_path / "nowhere", "a").load() is None


def test_a_failed_save_leaves_the_last_state(tmp_path: Path, monkeypatch) -> None:
    checkpoint = Checkpoint(tmp_path, "a")
    checkpoint.save({"weights": [np.ones(3)]}, {"epoch": 1})

    def fail(path: Path, **content: np.ndarray) -> None:
        path.write_bytes(b"half")
        raise OSError("the disk is full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(UserError, match=f"{tmp_path}: the disk is full. Make room"):
        checkpoint.save({"weights": [np.zeros(3)]}, {"epoch": 2})

    arrays, facts = checkpoint.load()
    assert facts == {"epoch": 1}
    np.testing.assert_array_equal(arrays["weights"][0], np.ones(3))


def test_partial_files_of_killed_runs_are_removed_and_those_of_live_runs_stay(
    tmp_path: Path,
) -> None:
    left = tmp_path / f"{TEMPORARY}killed"
    left.mkdir()
    (left / "checkpoint.npz").write_bytes(b"half")

    with temporary_neighbour(tmp_path) as new:
        left.mkdir(exist_ok=True)
        Checkpoint(tmp_path, "a").load()

        assert list(tmp_path.glob("*/")) == [new]


def test_digests_differ_by_values_types_shapes_and_facts() -> None:
    zeros = np.zeros((2, 3), np.float32)
    digests = [
        digest_of([zeros], {"seed": 1}),
        digest_of([zeros], {"seed": 2}),
        digest_of([zeros + np.eye(2, 3, dtype=np.float32)], {"seed": 1}),
        digest_of([zeros.astype(np.int32)], {"seed": 1}),
        digest_of([zeros.reshape(3, 2)], {"seed": 1}),
        digest_of([zeros, zeros[:0]], {"seed": 1}),
    ]
    assert len(set(digests)) == len(digests)
    assert digest_of([zeros.T.copy().T], {"seed": 1}) == digests[0]


@pytest.mark.slow
def test_a_killed_training_resumes_in_the_next_process(undisturbed, tmp_path: Path) -> None:
    script = (
        "import json, sys, time\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from tests.models.test_checkpoint import _train\n"
        "folder, seconds = Path(sys.argv[1]), float(sys.argv[2])\n"
        "def progress(epoch, row):\n"
        "    print(epoch, flush=True)\n"
        "    time.sleep(seconds)\n"
        "model, history = _train(folder / 'training', progress)\n"
        "np.savez(folder / 'weights.npz', *model.get_weights())\n"
        "(folder / 'history.json').write_text(json.dumps(history.to_dict('list')))\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY}"}

    with subprocess.Popen(
        [*command, "0.2"], cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True
    ) as run:
        for line in run.stdout:
            if line.strip() == "2":
                run.send_signal(signal.SIGKILL)
                break
    assert run.returncode == -signal.SIGKILL
    assert not (tmp_path / "weights.npz").exists()
    again = subprocess.run(
        [*command, "0"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    epochs = [int(line) for line in again.stdout.splitlines() if line.strip().isdigit()]
    assert epochs[0] >= 2
    assert epochs == list(range(epochs[0], 7))
    history = json.loads((tmp_path / "history.json").read_text())
    assert history == undisturbed[1].to_dict("list")
    with np.load(tmp_path / "weights.npz") as weights:
        for number, weight in enumerate(undisturbed[0].get_weights()):
            np.testing.assert_array_equal(weights[f"arr_{number}"], weight)
