"""Label tracks, selection tables and CSV give the same labels; other content is named by line."""

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from disentangled_audio.corpora.label_files import read_labels
from disentangled_audio.errors import UserError

RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"
OWL_AND_WREN = [(1.0, 2.5, "owl"), (4.0, 5.5, "wren")]


def _times(text: str | bytes, **how: str) -> list[tuple[float, float, str]]:
    content = text if isinstance(text, bytes) else text.encode()
    labels = read_labels(content, "birds/labels", **how)
    return [(label.start_s, label.end_s, label.text) for label in labels]


@pytest.mark.parametrize(
    "text",
    [
        "1.000000\t2.500000\towl\n4.000000\t5.500000\twren\n",
        "1.0\t2.5\towl\n\\\t200.0\t800.0\n4.0\t5.5\twren\n\\\t-1\t-1",
        "1,0\t2,5\towl\r\n4,0\t5,5\twren\r\n",
        "\ufeff1\t2.5\t owl \n\n4\t5.5\twren",
        f"{RAVEN}\tSpecies\n1\tS 1\t1\t1\t2.5\t200\t800\towl\n2\tS 1\t1\t4\t5.5\t0\t9\twren\n",
        f"{RAVEN}\tAnnotation\tNotes\n1\tS\t1\t1\t2.5\t2\t8\towl\tx\n2\tS\t1\t4\t5.5\t0\t9\twren\t",
        f"{RAVEN}\tAnnotation\n1\tWaveform 1\t1\t1\t2.5\t\t\towl\n"
        "1\tSpectrogram 1\t1\t1\t2.5\t0\t9\towl\n2\tWaveform 1\t1\t4\t5.5\t\t\twren\n",
        "start,end,label\n1,2.5,owl\n4,5.5,wren\n",
        "label;end;start\nowl;2,5;1\nwren;5,5;4,0",
        "onset\toffset\tevent_label\n1\t2.5\towl\n4\t5.5\twren",
        'Begin,End,"Class"\n1,2.5,"owl"\n4,5.5,"wren"\n,,\n',
    ],
)
def test_every_format_gives_the_same_labels(text: str) -> None:
    assert _times(text) == OWL_AND_WREN


def test_utf_16_is_told_by_its_mark() -> None:
    assert _times("start,end,label\n1,2,Käuzchen\n".encode("utf-16")) == [(1, 2, "Käuzchen")]


def test_the_times_of_a_file_in_a_table_of_several_count_from_its_own_start() -> None:
    table = f"{RAVEN}\tBegin File\tFile Offset (s)\tSpecies\n1\tS\t1\t61\t62.5\t0\t1\tb.wav\t1\towl"

    (label,) = read_labels(table.encode(), "all.txt")

    assert (label.file, label.start_s, label.end_s) == ("b.wav", 1.0, 2.5)


def test_a_parameter_chooses_the_column() -> None:
    table = f"{RAVEN}\tSpecies\tCall\n1\tS\t1\t1\t2\t0\t9\towl\thoot\n"

    assert _times(table, label_column="call") == [(1, 2, "hoot")]
    assert _times(table) == [(1, 2, "owl")]
    with pytest.raises(UserError, match=r"line 1: no column 'label' in .*label_column"):
        _times(table.replace("Species", "Bird"))


def test_further_columns_of_a_table_are_kept_and_those_of_raven_are_not() -> None:
    (own,) = read_labels(b"file,start,end,label,speaker\na.wav,1,2,owl,x\n", "labels.csv")
    (measured,) = read_labels(f"{RAVEN}\tSpecies\n1\tS\t1\t1\t2\t0\t9\towl".encode(), "a.txt")

    assert (own.file, own.columns, own.origin) == ("a.wav", {"speaker": "x"}, "labels.csv, line 2")
    assert measured.columns == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1.0\t2.0\towl\n3.0\tx\towl", r"birds/labels, line 2: 'x' is no time"),
        ("1.0\t2.0\towl\nnonsense", "line 2: 'nonsense' is no label"),
        ("start,end,label\n1,2,owl\n1,,owl", "line 3: '' is no time"),
        ("start,end,label\n1,nan,owl", "line 2: 'nan' is no time"),
        ("start,end,label\n1,0:02,owl", "line 2: '0:02' is no time; write seconds"),
        ("file,begin,label\na,1,owl", "line 1: neither a label track nor a table"),
        ("Notes of the field trip\nwhich was nice", "neither a label track nor a table"),
        (b"start,end,label\n1,2,K\xe4uzchen", "line 2: not text in UTF-8"),
    ],
)
def test_an_error_names_the_file_and_the_line(content: str | bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        _times(content)


def test_an_empty_file_has_no_labels() -> None:
    assert _times("") == _times("\n \n") == _times("start,end,label\n") == []


_SEEDS = st.sampled_from([b"1.0\t2.0\towl\n", b"start,end,label\n1,2,owl\n", RAVEN.encode()])


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(alphabet=string.printable, max_size=200).map(str.encode),
        st.tuples(_SEEDS, st.binary(max_size=60), _SEEDS).map(b"".join),
    )
)
def test_any_content_is_read_or_named(content: bytes) -> None:
    message = "birds/labels.csv, line "
    try:
        labels = read_labels(content, "birds/labels.csv")
    except UserError as error:
        message = str(error)
    else:
        assert all(np.isfinite([label.start_s, label.end_s]).all() for label in labels)
    assert message.startswith("birds/labels.csv, line ")


_TIMES = st.floats(0, 1e5).map(lambda seconds: round(seconds, 6))
_TEXTS = st.text(alphabet=string.ascii_letters + "äß-'", min_size=1, max_size=12)


@given(st.lists(st.tuples(_TIMES, _TIMES, _TEXTS), unique=True, max_size=8))
def test_what_is_written_is_read(labels: list[tuple[float, float, str]]) -> None:
    track = "".join(f"{start}\t{end}\t{text}\n" for start, end, text in labels)
    table = "label,start,end\n" + "".join(f"{text},{start},{end}\n" for start, end, text in labels)

    assert _times(track) == _times(table) == labels
