"""A run that is killed several times gives the same results as an undisturbed run."""

from pathlib import Path

import pytest

from tests.conftest import make_project
from tests.storage.kills import (
    Moment,
    check_finish,
    check_versions,
    chunk_times,
    finish,
    kill,
    outputs,
    write_corpus,
)

pytestmark = pytest.mark.slow
MOMENTS = [
    Moment("ingestion", 2, 0.0),
    Moment("features", 2, 0.0),
    Moment("training", 3, 0.05),
]


def test_kills_change_nothing(tmp_path: Path) -> None:
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
    corpus = make_project(tmp_path / "undisturbed")
    write_corpus(corpus)
    finish(corpus, corpus)
    expected = outputs(corpus)

    project = make_project(tmp_path / "killed")
    before: dict[Path, int] = {}
    for moment in MOMENTS:
        assert kill(project, corpus, moment), moment
        check_versions(project)
        after = chunk_times(project)
        assert before.items() <= after.items()
        before = after
    used = check_finish(project, corpus, expected, MOMENTS[-1])
    assert any("resumes after epoch" in line for line in used)
