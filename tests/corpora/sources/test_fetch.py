"""A download is whole and right, or its failure says what to do."""

import hashlib
import json
import re
import shutil
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from disentangled_audio.corpora.sources import download as module
from disentangled_audio.corpora.sources.download import Transfer, fetch, recorded_hash
from disentangled_audio.errors import UserError
from tests.corpora.conftest import Answer, Server

CONTENT = np.random.default_rng(0).bytes(400_000)
OTHER = np.random.default_rng(1).bytes(400_000)
HALF = len(CONTENT) // 2
QUICK = Transfer(retries=2, backoff_s=0.01, connect_timeout_s=5, read_timeout_s=5)
IMPATIENT = Transfer(retries=2, backoff_s=0.01, connect_timeout_s=5, read_timeout_s=0.3)
NOWHERE = "http://127.0.0.1:9/file.zip"


def _md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _fetch(
    folder: Path,
    *urls: str,
    known_hash: str | None = _md5(CONTENT),
    transfer: Transfer = QUICK,
) -> bytes:
    path = fetch(list(urls), folder, "file.zip", known_hash, transfer)
    assert path == folder / "file.zip"
    return path.read_bytes()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_is_downloaded_once_and_nothing_else_is_left(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(CONTENT))

    assert _fetch(tmp_path / "new", url) == CONTENT
    assert _fetch(tmp_path / "new", url) == CONTENT

    assert server.ranges() == [None]
    assert _names(tmp_path / "new") == {"file.zip"}


@pytest.mark.parametrize("validator", [True, False])
def test_a_transfer_that_breaks_off_is_continued(
    server: Server, tmp_path: Path, validator: bool
) -> None:
    cut = Answer(CONTENT, sent=HALF, validator=validator)
    url = server.url("file.zip", cut, Answer(CONTENT, validator=validator))

    assert _fetch(tmp_path, url) == CONTENT
    assert server.ranges() == [None, f"bytes={HALF}-"]


def test_a_server_without_ranges_sends_it_all_again(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(CONTENT, sent=HALF), Answer(CONTENT, ranges=False))

    assert _fetch(tmp_path, url) == CONTENT
    assert server.ranges() == [None, f"bytes={HALF}-"]


def test_nothing_is_joined_that_neither_hash_nor_server_vouches_for(
    server: Server, tmp_path: Path
) -> None:
    cut = Answer(CONTENT, sent=HALF, validator=False)
    url = server.url("file.zip", cut, Answer(OTHER, validator=False))

    assert _fetch(tmp_path, url, known_hash=None) == OTHER
    assert server.ranges() == [None, None]


def test_an_interrupted_download_is_continued_by_the_next_run(
    server: Server, tmp_path: Path
) -> None:
    url = server.url("file.zip", Answer(CONTENT, sent=HALF), Answer(status=404))
    with pytest.raises(UserError, match="404"):
        _fetch(tmp_path, url)
    assert _names(tmp_path) == {"file.zip.part", "file.zip.part.json"}
    server.url("file.zip", Answer(CONTENT))

    assert _fetch(tmp_path, url) == CONTENT
    assert server.ranges()[-1] == f"bytes={HALF}-"
    assert _names(tmp_path) == {"file.zip"}


@pytest.mark.parametrize("note", ["{", json.dumps({"url": "http://elsewhere/file.zip"})])
def test_a_part_of_another_origin_is_not_continued(
    server: Server, tmp_path: Path, note: str
) -> None:
    (tmp_path / "file.zip.part").write_bytes(OTHER[:HALF])
    (tmp_path / "file.zip.part.json").write_text(note, encoding="utf-8")

    assert _fetch(tmp_path, server.url("file.zip", Answer(CONTENT))) == CONTENT
    assert server.ranges() == [None]


def test_a_part_is_continued_from_another_mirror_if_a_hash_vouches(
    server: Server, tmp_path: Path
) -> None:
    for known, continued in ((_md5(CONTENT), f"bytes={HALF}-"), (None, None)):
        server.requests.clear()
        first = server.url("one/file.zip", Answer(CONTENT, sent=HALF), Answer(status=404))
        second = server.url("two/file.zip", Answer(CONTENT))

        assert _fetch(tmp_path / str(known)[:3], first, second, known_hash=known) == CONTENT
        assert server.ranges()[-1] == continued


def test_a_transfer_that_gets_on_is_not_given_up(server: Server, tmp_path: Path) -> None:
    answers = [Answer(CONTENT, sent=50_000)] * 7
    url = server.url("file.zip", *answers, Answer(CONTENT))

    assert _fetch(tmp_path, url) == CONTENT
    assert len(server.requests) == 8 > QUICK.retries + 1


def test_a_file_that_came_under_a_known_hash_gets_its_record(
    server: Server, tmp_path: Path
) -> None:
    url = server.url("file.zip", Answer(CONTENT))
    _fetch(tmp_path, url)

    _fetch(tmp_path, url, known_hash=None)

    assert recorded_hash(tmp_path / "file.zip") == _sha256(CONTENT)


@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changes_between_retries_is_not_joined(
    server: Server, tmp_path: Path, if_range: bool
) -> None:
    url = server.url("file.zip", Answer(OTHER, sent=HALF), Answer(CONTENT, if_range=if_range))

    assert _fetch(tmp_path, url, known_hash=None) == CONTENT
    assert server.ranges()[:2] == [None, f"bytes={HALF}-"]


def test_a_change_that_only_the_hash_shows_is_downloaded_anew(
    server: Server, tmp_path: Path
) -> None:
    cut = Answer(OTHER, sent=HALF, validator=False)
    url = server.url("file.zip", cut, Answer(CONTENT, validator=False))

    assert _fetch(tmp_path, url) == CONTENT
    assert server.ranges() == [None, f"bytes={HALF}-", None]


def test_a_part_that_is_longer_than_the_file_is_dropped(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(CONTENT))
    (tmp_path / "file.zip.part").write_bytes(CONTENT + b"more")
    note = json.dumps({"url": url, "validator": None})
    (tmp_path / "file.zip.part.json").write_text(note, encoding="utf-8")

    assert _fetch(tmp_path, url) == CONTENT


def test_a_server_that_stalls_is_given_up_and_continued(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(CONTENT, stall_s=10), Answer(CONTENT))

    assert _fetch(tmp_path, url, transfer=IMPATIENT) == CONTENT
    assert len(server.requests) == 2
    assert server.ranges()[1] is not None


def test_a_server_that_always_stalls_is_named(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(CONTENT, ranges=False, stall_s=10))

    with pytest.raises(UserError, match="does not answer in time") as caught:
        _fetch(tmp_path, url, transfer=IMPATIENT)
    assert url in str(caught.value)
    assert "(3 attempts)" in str(caught.value)
    assert len(server.requests) == 3


def test_less_than_declared_is_an_error(server: Server, tmp_path: Path) -> None:
    longer = Answer(CONTENT, declared=len(CONTENT) + 100, ranges=False)
    url = server.url("file.zip", longer)

    with pytest.raises(UserError, match=r"file\.zip could not be downloaded") as caught:
        _fetch(tmp_path, url, known_hash=None)
    assert url in str(caught.value)
    assert "(3 attempts)" in str(caught.value)
    assert not (tmp_path / "file.zip").exists()


def test_more_than_declared_is_another_file(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(CONTENT, declared=HALF))

    with pytest.raises(UserError, match=f"{_md5(CONTENT[:HALF])}, expected is {_md5(CONTENT)}"):
        _fetch(tmp_path, url)


def test_an_unknown_length_is_taken_to_its_end(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(CONTENT, headers={"Content-Length": ""}))

    assert _fetch(tmp_path, url) == CONTENT


def test_bytes_are_kept_as_sent_whatever_the_encoding_is_called(
    server: Server, tmp_path: Path
) -> None:
    url = server.url("file.zip", Answer(CONTENT, headers={"Content-Encoding": "gzip"}))

    assert _fetch(tmp_path, url) == CONTENT


def test_a_redirect_is_followed(server: Server, tmp_path: Path) -> None:
    final = server.url("moved.zip", Answer(CONTENT))
    url = server.url("file.zip", Answer(status=302, headers={"Location": final}))

    assert _fetch(tmp_path, url) == CONTENT


@pytest.mark.parametrize(
    "target", ["/file.zip", "ftp://127.0.0.1/file.zip", "file:///etc/hostname"]
)
def test_a_redirect_in_circles_or_to_no_web_address_is_an_error(
    server: Server, tmp_path: Path, target: str
) -> None:
    url = server.url("file.zip", Answer(status=302, headers={"Location": target}))

    with pytest.raises(UserError, match=url):
        _fetch(tmp_path, url)
    assert not (tmp_path / "file.zip").exists()


def test_what_is_not_there_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(status=404))

    with pytest.raises(UserError, match="404 Not Found") as caught:
        _fetch(tmp_path, url)
    for text in (url, "Check the address", "HTTPS_PROXY", str(tmp_path / "file.zip")):
        assert text in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_error_that_passes_is_waited_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=pauses.append))
    failing = Answer(status=status)
    url = server.url("file.zip", failing, failing, Answer(CONTENT))

    assert _fetch(tmp_path, url) == CONTENT
    assert pauses == [0.01, 0.02]


def test_mirrors_are_tried_in_turn(server: Server, tmp_path: Path) -> None:
    urls = [
        server.url("gone.zip", Answer(status=404)),
        NOWHERE,
        server.url("wrong.zip", Answer(OTHER)),
        server.url("good.zip", Answer(CONTENT)),
        server.url("never.zip", Answer(CONTENT)),
    ]

    assert _fetch(tmp_path, *urls) == CONTENT
    assert [path for path, _ in server.requests] == ["/gone.zip", "/wrong.zip", "/good.zip"]


def test_every_mirror_that_failed_is_named(server: Server, tmp_path: Path) -> None:
    urls = [NOWHERE, server.url("gone.zip", Answer(status=404))]

    with pytest.raises(UserError) as caught:
        _fetch(tmp_path, *urls)
    for url in urls:
        assert f"  {url}: " in str(caught.value)


def test_another_hash_names_both_values_and_how_to_proceed(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(OTHER))

    with pytest.raises(UserError) as caught:
        _fetch(tmp_path, url)

    for text in (
        url,
        "file.zip",
        _md5(OTHER),
        _md5(CONTENT),
        f"'hash: {_md5(OTHER)}'",
        "hash: null",
    ):
        assert text in str(caught.value)
    assert not (tmp_path / "file.zip").exists()


def test_a_file_whose_hash_is_then_accepted_is_not_downloaded_again(
    server: Server, tmp_path: Path
) -> None:
    url = server.url("file.zip", Answer(OTHER))
    with pytest.raises(UserError):
        _fetch(tmp_path, url)

    assert _fetch(tmp_path, url, known_hash=None) == OTHER
    assert server.ranges() == [None, f"bytes={len(OTHER)}-"]


def test_the_first_downloads_hash_is_recorded_and_checked_from_then_on(
    server: Server, tmp_path: Path
) -> None:
    url = server.url("file.zip", Answer(CONTENT), Answer(OTHER))
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


@pytest.mark.parametrize("recorded", [True, False])
def test_a_file_that_is_there_is_checked_and_never_replaced(tmp_path: Path, recorded: bool) -> None:
    (tmp_path / "file.zip").write_bytes(OTHER)
    if recorded:
        (tmp_path / "file.zip.sha256").write_text(_sha256(CONTENT)[7:], encoding="utf-8")

    with pytest.raises(UserError, match="Delete it to have it downloaded again") as caught:
        _fetch(tmp_path, NOWHERE, known_hash=None if recorded else _md5(CONTENT))
    assert str(tmp_path / "file.zip") in str(caught.value)
    assert (tmp_path / "file.zip").read_bytes() == OTHER


def test_a_record_without_a_hash_is_named(tmp_path: Path) -> None:
    (tmp_path / "file.zip.sha256").write_text("nonsense", encoding="utf-8")

    with pytest.raises(UserError, match=r"file\.zip\.sha256 holds no SHA-256"):
        _fetch(tmp_path, NOWHERE, known_hash=None)


def test_a_full_disk_is_noticed_first(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url("file.zip", Answer(CONTENT))
    free = SimpleNamespace(free=len(CONTENT) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)

    with pytest.raises(UserError, match=r"needs 0\.4 MB") as caught:
        _fetch(tmp_path, url)
    assert url in str(caught.value)
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(UserError, match="cannot be written to") as caught:
        _fetch(tmp_path / "file" / "downloads", NOWHERE)
    assert NOWHERE in str(caught.value)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x.zip", "file:///etc/hostname", "x.zip"])
def test_only_web_addresses_are_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(UserError, match="is not an http or https URL"):
        _fetch(tmp_path, url)


def test_an_address_that_is_none_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="could not be downloaded"):
        _fetch(tmp_path, "http://[bad/x.zip")


def test_two_runs_at_once_download_once(server: Server, tmp_path: Path) -> None:
    url = server.url("file.zip", Answer(CONTENT, stall_s=0.1))

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda _: _fetch(tmp_path, url), range(2)))

    assert results == [CONTENT, CONTENT]
    assert len(server.requests) == 1


def test_a_server_that_is_not_there_is_said_in_few_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{NOWHERE}: Failed to .* \(3 attempts\)"):
        _fetch(tmp_path, NOWHERE)


def test_a_proxy_is_taken_from_the_environment(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A proxy is asked for the whole address.
    server.answers["http://example.invalid/file.zip"] = [Answer(CONTENT)]
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, server.address)

    assert _fetch(tmp_path, "http://example.invalid/file.zip") == CONTENT


def test_a_mirror_that_cannot_be_reached_is_left_at_once_and_the_last_one_is_tried_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("disentangled_audio.corpora.sources.download.time.sleep", pauses.append)
    # A port of this machine that nothing listens to.
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/a.zip"
    good = server.url("a.zip", Answer(b"good"))

    path = fetch([nobody, good], tmp_path / "one", "a.zip", transfer=Transfer(retries=2))

    assert path.read_bytes() == b"good"
    assert pauses == []
    with pytest.raises(UserError, match=r"3 attempts"):
        fetch([nobody, nobody], tmp_path / "two", "a.zip", transfer=Transfer(retries=2))
    assert pauses == [1.0, 2.0]


def test_a_terminal_is_shown_progress_and_a_log_is_not(
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
