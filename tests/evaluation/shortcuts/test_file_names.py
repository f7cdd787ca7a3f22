"""The length of a name says nothing of the label that stands in it."""

import pandas as pd
import pytest

from disentangled_audio.evaluation.shortcuts.file_names import name_lengths


def lengths(names_by_label, *more_labels):
    pairs = [(name, label) for label, names in names_by_label.items() for name in names]
    paths, labels = (pd.Series(column) for column in zip(*pairs, strict=True))
    return name_lengths(paths, [labels, *more_labels]).tolist()


@pytest.mark.parametrize(
    "names",
    [
        {"artifact": ["artifact__1.wav", "artifact__2.wav"], "normal": ["normal__3.wav"]},
        {"normal": ["x/Normal1.wav"], "abnormal": ["x/AbNormal2.wav", "abnormal3.wav"]},
        {
            "Air conditioner": ["airconditioner-1.wav", "air_conditioner_2.wav"],
            "dog": ["3-dog.wav"],
        },
        {"dog": ["dogbark1.wav"], "elephant": ["elephantbark2.wav"]},
    ],
    ids=["plain", "capitals", "several words", "within a word"],
)
def test_the_label_in_any_spelling_does_not_count(names):
    assert len(set(lengths(names))) == 1


@pytest.mark.parametrize(
    "names",
    [
        {"artifact": ["art_1.wav", "art_2.wav"], "normal": ["n_1.wav", "n_3.wav"]},
        {"dog": ["1-23-A-0.wav", "2-45-A-0.wav"], "rain": ["1-67-B-10.wav", "5-89-A-10.wav"]},
    ],
    ids=["abbreviation", "number of the class"],
)
def test_codes_of_the_label_do_not_count(names):
    assert len(set(lengths(names))) == 1


def test_what_else_differs_counts():
    names = {"a": ["a_1.wav", "a_20.wav"], "b": ["b_1_copy.wav", "b_1.flac"]}
    assert lengths(names) == [5, 6, 9, 6]


def test_a_word_that_several_labels_share_is_no_code():
    names = {"a": ["zoom_1.wav"], "b": ["zoom_2.wav"], "c": ["tascam_3.wav", "zoom_4.wav"]}
    assert lengths(names) == [9, 9, 11, 9]


def test_digits_of_a_label_count_within_other_numbers():
    assert lengths({"7": ["7_ann_17.wav", "7_ann_7.wav"], "1": ["1_ann_17.wav"]}) == [9, 7, 9]


def test_labels_of_a_coarser_and_a_finer_kind_do_not_count():
    finer = pd.Series(["oboe", "clarinet", "violin", None])
    names = {"wind": ["oboe_1.wav", "clarinet_2.wav"], "string": ["violin_3.wav", "wind_4.wav"]}
    assert lengths(names, finer) == [5, 5, 5, 5]


def test_names_without_words_or_extension():
    assert lengths({"a": ["d/___", "12"], "b": [".wav"]}) == [0, 2, 3]
