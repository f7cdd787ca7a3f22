"""A download is complete and correct, or its error says what to do."""

import hashlib
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from disentangled_audio.corpora.sources import download
from disentangled_audio.corpora.sources.download import fetch, recorded_hash
from disentangled_audio.errors import UserError
from tests.corpora.conftest import Answer, Server

CONTENT = np.random.default_rng(0).bytes(400_000)
OTHER = np.random.default_rng(1).bytes(400_000)
HALF = len(CONTENT) // 2
REST = f"bytes={HALF}-"
NOWHERE = "http://127.0.0.1:9/file.zip"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two further rounds, and little time."""
    monkeypatch.setattr(download, "_PAUSES_S", (0.01, 0.02))
    monkeypatch.setattr(download, "_TIMEOUTS_S", (5.0, 0.5))


def _md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _fetch(folder: Path, *urls: str, known_hash: str | None = _md5(CONTENT)) -> bytes:
    path = fetch({"file.zip": list(urls)}, folder, known_hash)
    assert path == folder / "file.zip"
    return path.read_bytes()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _answers(first: bytes = CONTENT, then: bytes = CONTENT, **how: bool) -> list[Answer]:
    """A transfer that breaks off in the middle, and a whole one."""
    return [Answer(first, sent=HALF, **how), Answer(then, **how)]


WHOLE: dict[str, tuple[list[Answer], bool, list[str | None]]] = {
    # The answers of the server, whether the hash is known, and the requested ranges.
    "at once": ([Answer(CONTENT)], True, [None]),
    "resumed": (_answers(), True, [None, REST]),
    "resumed because of the hash": (_answers(validator=False), True, [None, REST]),
    "resumed because of the validator": (_answers(), False, [None, REST]),
    "not resumed without either": (
        _answers(OTHER, validator=False),
        False,
        [None, None],
    ),
    "no ranges": (
        [Answer(CONTENT, sent=HALF), Answer(CONTENT, ranges=False)],
        True,
        [None, REST],
    ),
    "changed meanwhile": (_answers(OTHER), False, [None, REST, None]),
    "changed, only the hash shows": (_answers(OTHER, validator=False), True, [None, REST, None]),
    "many short transfers": ([*[Answer(CONTENT, sent=50_000)] * 7, Answer(CONTENT)], True, []),
    "unknown length": ([Answer(CONTENT, headers={"Content-Length": ""})], True, [None]),
    "declared as gzip": ([Answer(CONTENT, headers={"Content-Encoding": "gzip"})], True, [None]),
    "stalls": ([Answer(CONTENT, stall_s=10), Answer(CONTENT)], True, []),
    "several failures between bytes": (
        [
            *[Answer(CONTENT, sent=50_000), Answer(status=503), Answer(status=503)] * 3,
            Answer(CONTENT),
        ],
        True,
        [],
    ),
    "fails for a while": ([Answer(status=503), Answer(status=429), Answer(CONTENT)], True, []),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_is_downloaded_completely_and_once_without_leftovers(
    server: Server, tmp_path: Path, name: str
) -> None:
    answers, known, ranges = WHOLE[name]
    url = server.url("file.zip", *answers)
    known_hash = _md5(CONTENT) if known else None

    for _ in range(2):
        assert _fetch(tmp_path / "new", url, known_hash=known_hash) == CONTENT

    assert server.ranges() == ranges or not ranges
    assert len(server.requests) >= len(answers)
    assert _names(tmp_path / "new") == {"file.zip"} | (set() if known else {"file.zip.sha256"})


FAILED: dict[str, tuple[Answer, list[str], int]] = {
    # The answer of the server, texts in the message, and the number of requests.
    "not there": (Answer(status=404), ["404 Not Found", "Check the address", "HTTPS_PROXY"], 1),
    "broken": (Answer(status=500), ["500 Internal Server Error"], 3),
    "stalls": (Answer(CONTENT, ranges=False, stall_s=10), ["in time"], 4),
    "less than declared": (
        Answer(CONTENT, declared=len(CONTENT) + 100, ranges=False),
        ["the transfer broke off"],
        4,
    ),
    "more than declared": (
        Answer(CONTENT, declared=HALF),
        [f"{_md5(CONTENT[:HALF])} instead of {_md5(CONTENT)}"],
        1,
    ),
    "another file": (
        Answer(OTHER),
        [_md5(OTHER), _md5(CONTENT), f"'hash: {_md5(OTHER)}'", "hash: null"],
        1,
    ),
    **{
        f"redirected to {target}": (Answer(status=302, headers={"Location": target}), [], count)
        for target, count in {
            "/file.zip": 31,
            "ftp://127.0.0.1/file.zip": 1,
            "file:///etc/hostname": 1,
        }.items()
    },
}


@pytest.mark.parametrize("name", FAILED)
def test_a_failed_download_names_its_address_and_reason(
    server: Server, tmp_path: Path, name: str
) -> None:
    answer, texts, n_requests = FAILED[name]
    url = server.url("file.zip", answer)

    with pytest.raises(UserError, match=r"file\.zip could not be downloaded") as caught:
        _fetch(tmp_path, url)

    for text in (f"  {url}: ", *texts):
        assert text in str(caught.value)
    assert len(server.requests) == n_requests
    assert not (tmp_path / "file.zip").exists()


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    final = server.url("moved.zip", Answer(CONTENT))
    url = server.url("file.zip", Answer(status=302, headers={"Location": final}))

    assert _fetch(tmp_path, url) == CONTENT


def test_an_interrupted_download_is_continued_by_the_next_run(
    server: Server, tmp_path: Path
) -> None:
    url = server.url("file.zip", Answer(CONTENT, sent=HALF), Answer(status=404))
    with pytest.raises(UserError, match="404"):
        _fetch(tmp_path, url)
    assert _names(tmp_path) == {"file.zip.part", "file.zip.part.version"}
    server.url("file.zip", Answer(CONTENT))

    assert _fetch(tmp_path, url) == CONTENT
    assert server.ranges()[-1] == REST
    assert _names(tmp_path) == {"file.zip"}


@pytest.mark.parametrize(
    ("part", "known", "ranges"),
    [
        (OTHER[:HALF], _md5(CONTENT), [REST, None]),
        (OTHER[:HALF], None, [None]),
        # Longer than the file is.
        (CONTENT + b"more", _md5(CONTENT), [f"bytes={len(CONTENT) + 4}-", None]),
    ],
)
def test_a_part_of_another_file_is_discarded(
    server: Server, tmp_path: Path, part: bytes, known: str | None, ranges: list[str | None]
) -> None:
    url = server.url("file.zip", Answer(CONTENT))
    (tmp_path / "file.zip.part").write_bytes(part)

    assert _fetch(tmp_path, url, known_hash=known) == CONTENT
    assert server.ranges() == ranges


@pytest.mark.parametrize(("known", "resumed"), [(_md5(CONTENT), REST), (None, None)])
def test_a_part_is_resumed_from_another_mirror_only_with_a_known_hash(
    server: Server, tmp_path: Path, known: str | None, resumed: str | None
) -> None:
    first = server.url("one/file.zip", Answer(CONTENT, sent=HALF), Answer(status=404))
    second = server.url("two/file.zip", Answer(CONTENT))

    assert _fetch(tmp_path, first, second, known_hash=known) == CONTENT
    assert server.ranges()[-1] == resumed


def test_mirrors_are_tried_in_turn_and_again_after_a_pause(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=pauses.append))
    urls = [
        server.url("gone.zip", Answer(status=404)),
        NOWHERE,
        server.url("good.zip", Answer(CONTENT)),
        server.url("never.zip", Answer(CONTENT)),
    ]

    assert _fetch(tmp_path / "one", *urls) == CONTENT
    assert [path for path, _ in server.requests] == ["/gone.zip", "/good.zip"]
    assert pauses == []

    with pytest.raises(UserError, match=rf"{NOWHERE}: Failed to ") as caught:
        _fetch(tmp_path / "two", urls[0], NOWHERE)
    assert f"  {urls[0]}: " in str(caught.value)
    assert pauses == [0.01, 0.02]
    # Not asked again, as it does not have the file.
    assert [path for path, _ in server.requests].count("/gone.zip") == 2


def test_another_mirror_may_have_the_file_with_the_right_hash(
    server: Server, tmp_path: Path
) -> None:
    urls = [
        server.url("wrong.zip", Answer(OTHER)),
        server.url("good.zip", Answer(CONTENT)),
    ]

    assert _fetch(tmp_path, *urls) == CONTENT


def test_accepting_a_hash_does_not_download_the_file_again(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(OTHER))
    with pytest.raises(UserError):
        _fetch(tmp_path, url)

    assert _fetch(tmp_path, url, known_hash=None) == OTHER
    assert server.ranges() == [None, f"bytes={len(OTHER)}-"]


def test_the_first_downloads_hash_is_recorded_and_checked_from_then_on(
    server: Server, tmp_path: Path
) -> None:
    url = server.url("file.zip", Answer(CONTENT), Answer(OTHER))
    # With a known hash nothing is recorded; without it, the hash is.
    _fetch(tmp_path, url)
    assert recorded_hash(tmp_path / "file.zip") is None
    _fetch(tmp_path, url, known_hash=None)
    record = tmp_path / "file.zip.sha256"
    assert record.read_text(encoding="utf-8") == f"{_sha256(CONTENT)[7:]}  file.zip\n"
    assert recorded_hash(tmp_path / "file.zip") == _sha256(CONTENT)

    (tmp_path / "file.zip").unlink()
    with pytest.raises(UserError) as caught:
        _fetch(tmp_path, url, known_hash=None)

    for text in (_sha256(CONTENT), _sha256(OTHER), f"delete {record}"):
        assert text in str(caught.value)
    record.unlink()
    assert _fetch(tmp_path, url, known_hash=None) == OTHER


def _nonsense_record(folder: Path, _: pytest.MonkeyPatch) -> None:
    (folder / "file.zip.sha256").write_text("nonsense", encoding="utf-8")


def _full_disk(_: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=len(CONTENT) - 1))


def _no_folder(folder: Path, _: pytest.MonkeyPatch) -> None:
    folder.rmdir()
    folder.touch()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_nonsense_record, r"file\.zip\.sha256 holds no SHA-256"),
        (_full_disk, r"the download http.* needs 0\.4 MB"),
        (_no_folder, r"file\.zip from http.* cannot be written to"),
    ],
)
def test_an_unusable_folder_is_named(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path, pytest.MonkeyPatch], None],
    message: str,
) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    spoil(folder, monkeypatch)

    with pytest.raises(UserError, match=message):
        _fetch(folder, server.url("file.zip", Answer(CONTENT)), known_hash=None)
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x.zip", "file:///etc/hostname", "http://[b/x"])
def test_only_http_and_https_are_allowed(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="could not be downloaded"):
        _fetch(tmp_path, url)


def test_two_simultaneous_runs_download_once(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(CONTENT, stall_s=0.1))

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: _fetch(tmp_path, url), range(2)))

    assert results == [CONTENT, CONTENT]
    assert len(server.requests) == 1


def test_a_proxy_is_taken_from_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy is asked for the whole address.
    server.answers["http://example.invalid/file.zip"] = [Answer(CONTENT)]
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.address)

    assert _fetch(tmp_path, "http://example.invalid/file.zip") == CONTENT


def test_progress_is_shown_in_a_terminal_but_not_in_a_log(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = server.url("file.zip", Answer(CONTENT))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    _fetch(tmp_path / "log", url)
    assert capsys.readouterr().err == ""

    # What rich takes for a terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")
    _fetch(tmp_path / "terminal", url)
    shown = capsys.readouterr().err
    assert "file.zip" in shown
    # Of 400,000 bytes, as rich counts them.
    assert "400.0/400.0 kB" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
