"""Downloads one file completely and checks it, or explains why it cannot."""

import errno
import json
import logging
import os
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, ProtocolError

from disentangled_audio.errors import UserError
from disentangled_audio.storage.disk_errors import require_free
from disentangled_audio.storage.hashing import file_hash
from disentangled_audio.storage.locks import locked
from disentangled_audio.storage.progress import byte_progress

logger = logging.getLogger(__name__)

# The most that a stalled transfer loses.
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Transfer:
    """Retries and timeouts of a download.

    Attributes
    ----------
    retries : int
        Further attempts at one URL after a broken transfer, a timeout or a server error; attempts
        that receive new bytes do not count.
    backoff_s : float
        Pause before the first retry; each further pause is twice as long.
    connect_timeout_s, read_timeout_s : float
        Time for the server to answer, and to send the next bytes.
    """

    retries: int = 4
    backoff_s: float = 1.0
    connect_timeout_s: float = 15.0
    read_timeout_s: float = 60.0


class UnavailableError(UserError):
    """No mirror has the file."""


class _FailedError(Exception):
    """The file cannot be downloaded from this URL."""


class _BrokenError(_FailedError):
    """The transfer failed, but another attempt may succeed."""


class _UnreachableError(_BrokenError):
    """The server cannot be reached now, but another mirror may be."""


class _MismatchError(_FailedError):
    """The downloaded file has another hash, which is the second argument."""


def fetch(
    urls: list[str],
    folder: Path,
    name: str,
    known_hash: str | None = None,
    transfer: Transfer | None = None,
) -> Path:
    """Download a file from the first mirror that has it, unless it exists.

    The environment variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY set the proxies. An interrupted
    download is resumed from `NAME.part` if the server confirms that the file is the same.

    Parameters
    ----------
    urls : list of str
        Mirrors of one file, http or https.
    folder, name
        Folder of the file, which is created if it is missing, and its name there.
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
        If no mirror has the file, its hash is wrong, a URL is not http(s), or it cannot be
        written.
    """
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Two downloads at once would mix their bytes.
        with locked(folder / f".{name}.lock", wait=True):
            if path.is_file():
                check_hash(path, known_hash)
            else:
                expected = known_hash or recorded_hash(path)
                _from_mirrors(urls, path, expected, transfer or Transfer())
            if known_hash is None and recorded_hash(path) is None:
                _record_hash(path)
    except OSError as error:
        raise UserError(
            f"{name} from {urls[0]} cannot be written to {folder}: {error.strerror or error}; "
            + ("free some space" if error.errno == errno.ENOSPC else "check its permissions")
        ) from error
    return path


def _from_mirrors(urls: list[str], path: Path, expected: str | None, transfer: Transfer) -> None:
    failures: list[tuple[str, _FailedError]] = []
    for number, url in enumerate(urls, start=1):
        if not re.match(r"(?i)https?://[^/]", url):
            raise UserError(f"{url} is not an http or https URL; write one, or name a local file")
        logger.info("Downloading %s to %s", url, path)
        try:
            _Download(path, expected, transfer, urls, last=number == len(urls)).get(url)
            return
        except _FailedError as error:
            failures.append((url, error))
    reasons = "\n".join(f"  {url}: {error.args[0]}" for url, error in failures)
    problem = f"{path.name} could not be downloaded:\n{reasons}\n"
    for _, error in failures:
        if isinstance(error, _MismatchError):
            raise UserError(problem + _how_to_accept(path, error.args[1])) from error
    raise UnavailableError(
        f"{problem}Check the address, the network and the proxy (HTTP_PROXY, HTTPS_PROXY), and run "
        f"again; or download it by other means and save it as {path}."
    ) from failures[-1][1]


class _Download:
    """Fills `NAME.part`, and renames it once it is complete and has the right hash.

    `NAME.part.json` has the URL and version of the part. Only the last mirror is tried again if
    its server cannot be reached.
    """

    def __init__(
        self, path: Path, expected: str | None, transfer: Transfer, urls: list[str], *, last: bool
    ) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._note = path.with_name(f"{path.name}.part.json")
        self._expected = expected
        self._transfer = transfer
        self._mirrors = urls
        self._last = last

    def get(self, url: str) -> None:
        resumed = self._complete(url)
        if self._mismatch() and resumed:
            # The part may belong to another file.
            self._discard()
            self._complete(url)
        if found := self._mismatch():
            # The last mirror's part is kept for a user who then accepts its hash; another mirror
            # must not resume it.
            if not self._last:
                self._discard()
            raise _MismatchError(f"its hash is {found} instead of {self._expected}", found)
        os.replace(self._part, self._path)
        self._discard()

    def _complete(self, url: str) -> bool:
        """Try until the part is complete; tell whether it came from several transfers."""
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
                if (n_bytes := self._n_bytes()) > most:
                    n_failed, most, pause_s = 0, n_bytes, self._transfer.backoff_s
                n_failed += 1
                if n_failed > self._transfer.retries:
                    raise _FailedError(f"{error} ({n_failed} attempts)") from error
                logger.warning("%s: %s; next attempt in %g s", url, error, pause_s)
                time.sleep(pause_s)
                pause_s *= 2

    def _attempt(self, url: str) -> bool:
        n_present, validator = self._resumable(url)
        # The bytes are stored as they are sent, so they must not be compressed.
        headers = {"Accept-Encoding": "identity"}
        if n_present:
            headers["Range"] = f"bytes={n_present}-"
            if validator:
                headers["If-Range"] = validator
        timeouts = self._transfer.connect_timeout_s, self._transfer.read_timeout_s
        try:
            with requests.get(url, headers=headers, stream=True, timeout=timeouts) as answer:
                return self._receive(url, answer, n_present, validator)
        except requests.exceptions.SSLError as error:
            raise _FailedError(_reason(error)) from error
        except requests.ConnectionError as error:
            raise _UnreachableError(_reason(error)) from error
        except (requests.Timeout, requests.exceptions.ChunkedEncodingError, HTTPError) as error:
            raise _BrokenError(_reason(error)) from error
        except requests.RequestException as error:
            raise _FailedError(_reason(error)) from error

    def _receive(
        self, url: str, answer: requests.Response, n_present: int, validator: str | None
    ) -> bool:
        """Append an answer to the part, or replace the part; tell whether it was resumed."""
        status = answer.status_code
        stated = answer.headers.get("Content-Range", "")
        if n_present and status == requests.codes.requested_range_not_satisfiable:
            if stated == f"bytes */{n_present}":
                return True
            self._discard()
            raise _BrokenError("the file on the server is shorter than what was downloaded")
        if status not in (200, 206):
            temporary = status >= 500 or status in (408, 429)
            error = _BrokenError if temporary else _FailedError
            raise error(f"the server answers {status} {answer.reason}")
        now = _validator(answer)
        resumed = status == requests.codes.partial_content
        # Some servers ignore If-Range and send the rest of a newer version.
        changed = None not in (validator, now) and validator != now
        if resumed and (not n_present or not stated.startswith(f"bytes {n_present}-") or changed):
            self._discard()
            raise _BrokenError("the file on the server has changed since the download began")
        if not resumed:
            self._discard()
            self._note.write_text(json.dumps({"url": url, "validator": now}), encoding="utf-8")
        self._append(answer, n_present if resumed else 0)
        return resumed

    def _append(self, answer: requests.Response, n_present: int) -> None:
        length = answer.headers.get("Content-Length", "")
        n_expected = int(length) if length.isdigit() else None
        require_free(self._part.parent, n_expected or 0, f"the download {answer.url}")
        total = None if n_expected is None else n_present + n_expected
        progress = byte_progress(self._path.name, n_present, total)
        with self._part.open("ab") as part, progress as advance:
            # Not iter_content, which would unpack a .tgz sent as `Content-Encoding: gzip`.
            for chunk in answer.raw.stream(_CHUNK_BYTES, decode_content=False):
                part.write(chunk)
                advance(len(chunk))

    def _n_bytes(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _resumable(self, url: str) -> tuple[int, str | None]:
        """Give the number of bytes to resume from, and the server's validator of that version."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0, None
        validator = note.get("validator") if note.get("url") == url else None
        # Without a validator two versions or mirrors could be mixed, which a hash would detect.
        detectable = self._expected and note.get("url") in self._mirrors
        return (self._n_bytes(), validator) if validator or detectable else (0, None)

    def _mismatch(self) -> str | None:
        if self._expected is None:
            return None
        algorithm = self._expected.partition(":")[0]
        found = f"{algorithm}:{file_hash(self._part, algorithm)}"
        return None if found == self._expected else found

    def _discard(self) -> None:
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _validator(answer: requests.Response) -> str | None:
    """Give what If-Range accepts: a strong ETag, or the time of the last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "the server does not answer in time"
    if isinstance(error, ProtocolError):
        return "the transfer broke off"
    # Requests wraps urllib3's errors, and only the innermost explains what happened.
    inner = getattr(error.args[0] if error.args else error, "reason", error)
    return str(inner).rpartition("): ")[2] or type(error).__name__


def check_hash(path: Path, known_hash: str | None) -> None:
    """Raise a UserError unless a file has its known hash, or else its recorded one."""
    expected = known_hash or recorded_hash(path)
    if expected is None:
        return
    found = hash_of(path, expected.partition(":")[0])
    if found != expected:
        raise UserError(
            f"{path} is not the expected file: its hash is {found} instead of {expected}.\n"
            f"Delete it to download it again. {_how_to_accept(path, found)}"
        )


def hash_of(path: Path, algorithm: str = "sha256") -> str:
    """Hash a file as `algorithm:hexadecimal`; computed only once for an unchanged file.

    Raises
    ------
    UserError
        If the file cannot be read.
    """
    try:
        status = path.stat()
        return _known_hash(path, algorithm, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


@lru_cache(maxsize=256)
def _known_hash(path: Path, algorithm: str, n_bytes: int, modified_ns: int) -> str:
    return f"{algorithm}:{file_hash(path, algorithm)}"


def recorded_hash(path: Path) -> str | None:
    """Read the hash of the first download, `sha256:…`, if it was recorded next to the file.

    Raises
    ------
    UserError
        If the record is not a hash.
    """
    record = _record_of(path)
    if not record.is_file():
        return None
    match = re.match(r"[0-9a-f]{64}(?=\s|$)", record.read_text(encoding="utf-8", errors="replace"))
    if match is None:
        raise UserError(f"{record} holds no SHA-256; delete it to trust the next download")
    return f"sha256:{match[0]}"


def _record_hash(path: Path) -> None:
    # The format that `sha256sum --check` reads.
    temporary = path.with_name(f".{path.name}.sha256")
    temporary.write_text(f"{file_hash(path)}  {path.name}\n", encoding="utf-8")
    temporary.replace(_record_of(path))


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _how_to_accept(path: Path, found: str) -> str:
    record = _record_of(path)
    recorded = f" and delete {record}" if record.is_file() else ""
    return (
        f"If you trust it, set 'hash: {found}', or 'hash: null' to take any file{recorded}; hash "
        "belongs to the corpus's source, in conf/base/parameters_corpora.yml (for SLR28 it is "
        "_slr28_hash there) or in your corpus file."
    )
