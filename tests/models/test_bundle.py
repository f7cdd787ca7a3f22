"""A trained run in one file: the same answers, and a refusal of whatever was changed."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from disentangled_audio import Classifier
from disentangled_audio.errors import UserError
from disentangled_audio.models.bundle import HASHES, MANIFEST, MEMBERS, write_bundle
from disentangled_audio.runs.trained_runs import find_run
from tests.classified import raw

MODELS = (
    *("fourier_pca.skops", "disentangler.keras", "hybrid.skops", "svm.skops", "mel_svm.skops"),
    *("timbre_svm.skops", "acoustic_svm.skops", "code_svm.skops"),
    # Placeholders without pretrained weights.
    *("embedding_svm.skops", "hybrid_pretrained.skops"),
)


def _members(bundle: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(bundle) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def test_a_bundle_answers_as_its_run_does(
    bundle: Path, classifier: Classifier, tiny_run: Path
) -> None:
    loaded = Classifier.load(bundle)
    files = sorted(raw(tiny_run).glob("*.wav"))[::7]
    assert loaded.classes == classifier.classes
    assert loaded.manifest == classifier.manifest
    for ask in ("predict", "codes"):
        own, first = (getattr(one, ask)(files) for one in (loaded, classifier))
        pd.testing.assert_frame_equal(own, first, check_exact=True)
    with pytest.raises(UserError, match="leave out corpus, which selects from a project"):
        Classifier.load(bundle, corpus="twin_tiny")


def test_the_same_run_gives_the_same_bytes_and_nothing_of_the_trainer(
    bundle: Path, tiny_run: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again.zip"
    write_bundle(find_run(tiny_run / "data"), again, "# Card\n")
    assert again.read_bytes() == bundle.read_bytes()
    assert set(_members(bundle)) == {*MEMBERS, *MODELS}
    for name, content in _members(bundle).items():
        for leak in (str(tiny_run), "01_raw", "air_type1_air_binaural_booth_0_1"):
            assert leak.encode() not in content, name
    with pytest.raises(UserError, match=r"again\.zip exists already"):
        write_bundle(find_run(tiny_run / "data"), again, "# Card\n")
    with pytest.raises(UserError, match=r"none is no folder"):
        write_bundle(find_run(tiny_run / "data"), tmp_path / "none" / "a.zip", "# Card\n")
    assert [path.name for path in tmp_path.iterdir()] == ["again.zip"]


@pytest.mark.parametrize("name", [*MEMBERS, *MODELS])
def test_a_bundle_with_a_changed_member_is_refused_by_its_name(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    members = _members(bundle)
    changed = _write(tmp_path / "a.zip", {**members, name: _flipped(members[name])})
    # With a changed hash it is the hash's own member that differs from it.
    named = "another SHA-256" if name == HASHES else f"'{name}'"
    with pytest.raises(UserError, match=named):
        Classifier.load(changed)
    without = {other: content for other, content in members.items() if other != name}
    with pytest.raises(UserError, match=f"'{name}'"):
        Classifier.load(_write(tmp_path / "b.zip", without))
    renamed = {f"_{other}" if other == name else other: c for other, c in members.items()}
    with pytest.raises(UserError, match=f"'_?{name}'"):
        Classifier.load(_write(tmp_path / "c.zip", renamed))


def _edited_manifest(members: dict[str, bytes]) -> dict[str, bytes]:
    edited = members[MANIFEST].replace(b"RWCP", b"XWCP")
    assert edited != members[MANIFEST]
    return {**members, MANIFEST: edited}


def _swapped(members: dict[str, bytes]) -> dict[str, bytes]:
    return {**members, "svm.skops": members["mel_svm.skops"]}


def _other_hashes(members: dict[str, bytes]) -> dict[str, bytes]:
    return {**members, HASHES: json.dumps(json.loads(members[HASHES])).encode()}


def _too_few_hashes(members: dict[str, bytes]) -> dict[str, bytes]:
    hashes = json.loads(members[HASHES])
    del hashes["svm.skops"]
    return {**members, HASHES: json.dumps(hashes, indent=1).encode()}


def _pickle_inside(members: dict[str, bytes]) -> dict[str, bytes]:
    return {**members, "model.pkl": b"cos\nsystem\n(S'true'\ntR."}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_edited_manifest, "'manifest.json' with another SHA-256"),
        (_swapped, "'svm.skops' with another SHA-256"),
        (_other_hashes, "'hashes.json' that was edited"),
        (_too_few_hashes, "lacks one: 'svm.skops'"),
        (_pickle_inside, "'model.pkl'"),
        (lambda members: {**members, "../svm.skops": b""}, "'../svm.skops'"),
    ],
)
def test_a_bundle_that_was_edited_is_refused(
    bundle: Path, tmp_path: Path, change: Callable[..., dict[str, bytes]], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        Classifier.load(_write(tmp_path / "a.zip", change(_members(bundle))))


def test_compressed_double_and_cut_bundles_are_refused(bundle: Path, tmp_path: Path) -> None:
    members = _members(bundle)
    packed = _write(tmp_path / "packed.zip", members, zipfile.ZIP_DEFLATED)
    with pytest.raises(UserError, match=r"compressed or encrypted member"):
        Classifier.load(packed)
    double = tmp_path / "double.zip"
    shutil.copy(bundle, double)
    with zipfile.ZipFile(double, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("svm.skops", members["svm.skops"])
    with pytest.raises(UserError, match=r"svm\.skops"):
        Classifier.load(double)
    cut = tmp_path / "cut.zip"
    # What ends the archive is missing: that of a model inside, a ZIP too, may be found instead.
    cut.write_bytes(bundle.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"cut\.zip (is damaged|has a foreign member)"):
        Classifier.load(cut)
    cut.write_bytes(b"")
    with pytest.raises(UserError, match=r"cut\.zip is damaged"):
        Classifier.load(cut)


def test_no_changed_byte_changes_what_is_read(bundle: Path, tmp_path: Path) -> None:
    """Some bytes of a ZIP mean nothing, such as dates: those may differ, contents may not."""
    from disentangled_audio.models import bundle as bundles

    content, then = bundle.read_bytes(), _members(bundle)
    changed, messages = tmp_path / "changed.zip", []
    for place in np.random.default_rng(0).integers(len(content), size=60):
        byte = bytes([content[place] ^ 0x55])
        changed.write_bytes(content[:place] + byte + content[place + 1 :])
        try:
            assert bundles._members(changed) == then
        except UserError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert all("changed.zip" in message for message in messages)


def test_a_forged_bundle_with_fitting_hashes_makes_no_foreign_type(
    bundle: Path, tmp_path: Path
) -> None:
    from sklearn.tree import DecisionTreeClassifier
    from skops import io as skops

    from disentangled_audio.models.bundle import _json
    from disentangled_audio.storage.hashing import bytes_hash

    forged = io.BytesIO()
    skops.dump(DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1]), forged)
    members = {**_members(bundle), "svm.skops": forged.getvalue()}
    members[HASHES] = _json({k: bytes_hash([v]) for k, v in members.items() if k != HASHES})
    with pytest.raises(UserError, match=r"a\.zip:svm\.skops holds types that are not trusted"):
        Classifier.load(_write(tmp_path / "a.zip", members))
    manifest = json.loads(members[MANIFEST])
    for name, value in (("reference", {}), ("format", 2), ("packages", ["numpy"])):
        members[MANIFEST] = _json({**manifest, name: value})
        members[HASHES] = _json({k: bytes_hash([v]) for k, v in members.items() if k != HASHES})
        with pytest.raises(UserError, match=rf"manifest\.json is of another version.*\n.*{name}"):
            Classifier.load(_write(tmp_path / "b.zip", members))
