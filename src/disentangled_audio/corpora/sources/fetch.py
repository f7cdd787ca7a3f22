"""Downloads one file, whole and checked, or says why it cannot be had."""

import errno
import json
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pooch
import requests
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from urllib3.exceptions import HTTPError

from disentangled_audio.corpora.sources.file_hash import (
    check_hash,
    computed_hash,
    how_to_accept,
    record_hash,
    recorded_hash,
)
from disentangled_audio.errors import UserError
from disentangled_audio.storage.disk_space import require_free

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)
# Pooch would tell the user to write the hash into code.
pooch.get_logger().setLevel("WARNING")

# What a stalled transfer loses at most.
_CHUNK_BYTES = 1 << 16
_BROKEN = (
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    HTTPError,
)


@dataclass(frozen=True)
class Transfer:
    """How patient a download is.

    Attributes
    ----------
    retries : int
        Further attempts at one URL after a broken transfer, a timeout or a server error.
    backoff_s : float
        Pause before the first of them, in seconds; each later pause is twice as long.
    connect_timeout_s, read_timeout_s : float
        How long a server may take to answer, and to send the next bytes, in seconds.
    """

    retries: int = 4
    backoff_s: float = 1.0
    connect_timeout_s: float = 15.0
    read_timeout_s: float = 60.0


class UnavailableError(UserError):
    """No mirror has the file."""


class _FailedError(Exception):
    """This URL does not give the file."""


class _BrokenError(_FailedError):
    """It may at another attempt."""


class _UnreachableError(_BrokenError):
    """Its server cannot be reached now; another mirror's may."""


class _MismatchError(_FailedError):
    """It gave another file."""


def fetch(
    urls: list[str],
    folder: Path,
    name: str,
    known_hash: str | None = None,
    transfer: Transfer | None = None,
) -> Path:
    """A file from the first of its mirrors that has it; downloaded once.

    Proxies are those of the environment variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY. A
    download that was interrupted is continued from `NAME.part` if the server can tell that the
    file is still the same.

    Parameters
    ----------
    urls : list of str
        Mirrors of one file, http or https.
    folder : Path
        Where it is kept; made if needed.
    name : str
        What it is called there.
    known_hash : str, optional
        `algorithm:hexadecimal`. Without it the SHA-256 of the first download is written to
        `NAME.sha256`, which later downloads and uses must match.
    transfer : Transfer, optional

    Returns
    -------
    Path
        The complete file.

    Raises
    ------
    UserError
        If no mirror gives the file, its hash is another, a URL is not http(s), or the disk is
        full; says what to do.
    """
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            if path.is_file():
                check_hash(path, known_hash)
                if known_hash is None and recorded_hash(path) is None:
                    # It came under a known hash, which is no longer asked for.
                    record_hash(path)
                return path
            _from_mirrors(urls, path, known_hash or recorded_hash(path), transfer or Transfer())
            if known_hash is None and recorded_hash(path) is None:
                record_hash(path)
    except OSError as error:
        raise UserError(
            f"{name} from {urls[0]} cannot be written to {folder}: {error.strerror or error}; "
            + ("make room there" if error.errno == errno.ENOSPC else "check its permissions")
        ) from error
    return path


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait while another run downloads to the folder: two would mix their bytes in one part."""
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.info("Waiting for another run that downloads to %s", folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        logger.debug("%s takes no locks, as some network disks", folder)


def _from_mirrors(urls: list[str], path: Path, expected: str | None, transfer: Transfer) -> None:
    failures = []
    for number, url in enumerate(urls, start=1):
        if not re.match(r"(?i)https?://[^/]", url):
            raise UserError(f"{url} is not an http or https URL; write one, or name a local file")
        logger.info("Downloading %s to %s", url, path)
        try:
            pooch.retrieve(
                url,
                known_hash=expected,
                fname=path.name,
                path=path.parent,
                downloader=_Download(
                    path, expected, transfer, mirrors=urls, last=number == len(urls)
                ),
            )
            return
        except _FailedError as error:
            failures.append((url, error))
    reasons = "\n".join(f"  {url}: {error}" for url, error in failures)
    told = f"{path.name} could not be downloaded:\n{reasons}\n"
    wrong = next((error for _, error in failures if isinstance(error, _MismatchError)), None)
    if wrong:
        raise UserError(told + how_to_accept(path, str(wrong.args[1]))) from wrong
    raise UnavailableError(
        f"{told}Check the address, the network and the proxy (HTTP_PROXY, HTTPS_PROXY), and run "
        f"again; or download it by other means and put it at {path}."
    ) from failures[-1][1]


class _Download:
    """Pooch's downloader: fills `NAME.part`, and hands it over once it is complete and right.

    `NAME.part.json` says which version of which URL the part is of. A server that cannot be
    reached is tried again only if it is the last mirror.
    """

    def __init__(
        self,
        path: Path,
        expected: str | None,
        transfer: Transfer,
        *,
        mirrors: list[str],
        last: bool,
    ) -> None:
        self._mirrors = mirrors
        self._last = last
        self._part = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")
        self._expected = expected
        self._transfer = transfer

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        resumed = self._complete(url)
        if self._mismatch() and resumed:
            # The part may have been of another file.
            self._discard()
            self._complete(url)
        if found := self._mismatch():
            # The part is kept: it is used as it is once the user accepts its hash. Another mirror
            # must not continue it.
            if not self._last:
                self._discard()
            raise _MismatchError(f"its hash is {found}, expected is {self._expected}", found)
        os.replace(self._part, output_file)
        self._discard()

    def _complete(self, url: str) -> bool:
        """Try until the part is whole; gives whether it was put together from several."""
        pause_s = self._transfer.backoff_s
        resumed = False
        n_failed, most = 0, 0
        while True:
            try:
                return self._attempt(url) or resumed
            except _BrokenError as error:
                if isinstance(error, _UnreachableError) and not self._last:
                    raise
                resumed = True
                n_bytes = self._part.stat().st_size if self._part.exists() else 0
                if n_bytes > most:
                    # It gets on: only attempts that bring nothing are counted.
                    n_failed, most, pause_s = 0, n_bytes, self._transfer.backoff_s
                n_failed += 1
                if n_failed > self._transfer.retries:
                    raise _FailedError(f"{error} ({n_failed} attempts)") from error
                logger.warning("%s: %s; next attempt in %g s", url, error, pause_s)
                time.sleep(pause_s)
                pause_s *= 2

    def _attempt(self, url: str) -> bool:
        n_had, validator = self._resumable(url)
        # Identity, because the bytes are kept as they are sent.
        headers = {"Accept-Encoding": "identity"}
        if n_had:
            headers["Range"] = f"bytes={n_had}-"
            if validator:
                headers["If-Range"] = validator
        try:
            with requests.get(url, headers=headers, stream=True, timeout=self._timeouts) as answer:
                return self._receive(url, answer, n_had, validator)
        except requests.exceptions.SSLError as error:
            raise _FailedError(_reason(error)) from error
        except requests.ConnectionError as error:
            raise _UnreachableError(_reason(error)) from error
        except _BROKEN as error:
            raise _BrokenError(_reason(error)) from error
        except requests.RequestException as error:
            raise _FailedError(_reason(error)) from error

    @property
    def _timeouts(self) -> tuple[float, float]:
        return self._transfer.connect_timeout_s, self._transfer.read_timeout_s

    def _receive(
        self, url: str, answer: requests.Response, n_had: int, validator: str | None
    ) -> bool:
        if n_had and answer.status_code == requests.codes.requested_range_not_satisfiable:
            return self._after_the_end(answer, n_had)
        if answer.status_code >= 500 or answer.status_code in (408, 429):
            raise _BrokenError(f"the server answers {answer.status_code} {answer.reason}")
        if answer.status_code not in (200, 206):
            raise _FailedError(f"the server answers {answer.status_code} {answer.reason}")
        continued = answer.status_code == requests.codes.partial_content
        if continued and not _continues(answer, n_had, validator):
            self._discard()
            raise _BrokenError("the file on the server has changed since the download began")
        if not continued:
            self._discard()
            self._note.write_text(
                json.dumps({"url": url, "validator": _validator(answer)}), encoding="utf-8"
            )
        self._append(answer, n_had if continued else 0)
        return continued

    def _append(self, answer: requests.Response, n_had: int) -> None:
        length = answer.headers.get("Content-Length", "")
        n_coming = int(length) if length.isdigit() else None
        require_free(self._part.parent, n_coming or 0, f"the download {answer.url}")
        total = None if n_coming is None else n_had + n_coming
        with (
            self._part.open("ab") as part,
            _progress(self._part.stem, n_had, total) as advance,
        ):
            # Not iter_content: it would unpack a .tgz that is sent as `Content-Encoding: gzip`.
            for chunk in answer.raw.stream(_CHUNK_BYTES, decode_content=False):
                part.write(chunk)
                advance(len(chunk))
        n_bytes = self._part.stat().st_size
        if total is not None and n_bytes != total:
            raise _BrokenError(f"the transfer ended after {n_bytes} of {total} bytes")

    def _resumable(self, url: str) -> tuple[int, str | None]:
        """Bytes of this URL that are here, and what the server knows that version by."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            n_had = self._part.stat().st_size
        except (OSError, ValueError):
            return 0, None
        if note.get("url") != url:
            # Another mirror of the same file: only a hash can vouch for what is joined.
            return (
                (n_had, None) if self._expected and note.get("url") in self._mirrors else (0, None)
            )
        # Without a validator two versions could be joined, which only a hash would reveal.
        if not (note.get("validator") or self._expected):
            return 0, None
        return n_had, note.get("validator")

    def _after_the_end(self, answer: requests.Response, n_had: int) -> bool:
        if answer.headers.get("Content-Range", "") == f"bytes */{n_had}":
            return True
        self._discard()
        raise _BrokenError("the file on the server is shorter than the part that was downloaded")

    def _mismatch(self) -> str | None:
        if self._expected is None:
            return None
        # Not the remembered hash: a small part can be written twice in one tick of the clock.
        found = computed_hash(self._part, self._expected.partition(":")[0])
        return None if found == self._expected else found

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _continues(answer: requests.Response, n_had: int, validator: str | None) -> bool:
    """Whether an answer is the rest of what is here."""
    starts = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    if not n_had or starts is None or int(starts[1]) != n_had:
        return False
    # Some servers ignore If-Range and send the rest of a newer version.
    now = _validator(answer)
    return validator is None or now is None or validator == now


def _validator(answer: requests.Response) -> str | None:
    """What If-Range accepts: a strong ETag, or the time of the last change."""
    tag = answer.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return answer.headers.get("Last-Modified")


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "the server does not answer in time"
    # Requests wraps what urllib3 wraps; only the innermost says what happened.
    inner = getattr(error.args[0] if error.args else error, "reason", error)
    return str(inner).rpartition("): ")[2] or type(error).__name__


@contextmanager
def _progress(name: str, n_had: int, total: int | None) -> Iterator[Any]:
    """A bar on a terminal, nothing in a log; gives the function to call with bytes received."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=total, completed=n_had)
        yield partial(bar.advance, task)
