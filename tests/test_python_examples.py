"""The examples of the page on Python, as a reader would run them: one after the other."""

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest
import soundfile

from tests.classified import raw
from tests.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "python-api.md"


def test_the_examples_run_as_they_stand(
    tiny_run: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    (tmp_path / "path" / "of").mkdir(parents=True)
    (tmp_path / "path" / "of" / "project").symlink_to(tiny_run)
    shutil.copy(bundle, tmp_path / "model.zip")
    recording = next(raw(tiny_run).glob("air*.wav"))
    shutil.copy(recording, tmp_path / "clap.wav")
    soundfile.write(tmp_path / "b.flac", *soundfile.read(recording))
    monkeypatch.chdir(tmp_path)

    known: dict[str, object] = {}
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        for block in blocks:
            exec(compile(block, str(PAGE), "exec"), known)
    assert "clap.wav" in said.getvalue()
    assert "b.flac" in said.getvalue()
    assert known["table"]["class"].tolist() == ["air", "air"]
    assert known["codes"].filter(like="content_").notna().all(axis=None)
