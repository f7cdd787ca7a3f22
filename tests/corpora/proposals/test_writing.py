"""The proposed file is YAML, says what was meant, and has a comment on every line."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.corpora.proposals.writing import corpus_file

_TEXT = st.text(min_size=1, max_size=12).filter(lambda text: text.isprintable() or text == "\n")


@given(folder=_TEXT, values=st.lists(_TEXT, min_size=1, max_size=3, unique=True))
def test_a_written_file_reads_as_it_was_meant(folder: str, values: list[str]) -> None:
    corpus = {
        "sources": [{"folder": folder}],
        "name_patterns": [r"(?P<label>\w+)'#: \.wav"],
        "analysis": {"sample_rate_hz": 16000, "duration_s": 1.0},
    }
    protocol = {
        "target": "label",
        "group_by": [],
        "labels": dict.fromkeys(values, folder),
        "where": {"label": values},
        "split": {"strategy": "random", "n_folds": 3},
    }
    text = corpus_file("birds", corpus, protocol)
    content = yaml.safe_load(text)
    assert content == {"corpora": {"birds": corpus}, "protocols": {"birds_label": protocol}}
    assert all("# " in line for line in text.splitlines())


def test_line_breaks_in_names_make_no_further_lines() -> None:
    corpus = {"sources": [{"folder": "a\nb: c"}]}
    text = corpus_file("birds", corpus, {"target": "label"})
    assert yaml.safe_load(text)["corpora"]["birds"] == corpus
    assert len(text.split("\n")) == len(text.splitlines()) + 1 == 7 + 1
