"""Downloads one file, whole and checked, or says why it cannot be had."""

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

# What a stalled transfer loses at most.
_CHUNK_BYTES = 1 << 16


@dataclass(frozen=True)
class Transfer:
    """How patient a download is.

    Attributes
    ----------
    retries : int
        Further attempts at one URL after a broken transfer, a timeout or a server error; those
        that bring bytes are not counted.
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
    """It gave a file with another hash, the second argument."""


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
            + ("make room there" if error.errno == errno.ENOSPC else "check its permissions")
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
    told = f"{path.name} could not be downloaded:\n{reasons}\n"
    for _, error in failures:
        if isinstance(error, _MismatchError):
            raise UserError(told + _how_to_accept(path, error.args[1])) from error
    raise UnavailableError(
        f"{told}Check the address, the network and the proxy (HTTP_PROXY, HTTPS_PROXY), and run "
        f"again; or download it by other means and put it at {path}."
    ) from failures[-1][1]


class _Download:
    """Fills `NAME.part`, and renames it once it is complete and right.

    `NAME.part.json` says which version of which URL the part is of. A server that cannot be
    reached is tried again only if it is the last mirror.
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
            # The part may have been of another file.
            self._discard()
            self._complete(url)
        if found := self._mismatch():
            # The part is kept: it is used as it is once the user accepts its hash. Another mirror
            # must not continue it.
            if not self._last:
                self._discard()
            raise _MismatchError(f"its hash is {found}, expected is {self._expected}", found)
        os.replace(self._part, self._path)
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
                if (n_bytes := self._n_bytes()) > most:
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
        timeouts = self._transfer.connect_timeout_s, self._transfer.read_timeout_s
        try:
            with requests.get(url, headers=headers, stream=True, timeout=timeouts) as answer:
                return self._receive(url, answer, n_had, validator)
        except requests.exceptions.SSLError as error:
            raise _FailedError(_reason(error)) from error
        except requests.ConnectionError as error:
            raise _UnreachableError(_reason(error)) from error
        except (requests.Timeout, requests.exceptions.ChunkedEncodingError, HTTPError) as error:
            raise _BrokenError(_reason(error)) from error
        except requests.RequestException as error:
            raise _FailedError(_reason(error)) from error

    def _receive(
        self, url: str, answer: requests.Response, n_had: int, validator: str | None
    ) -> bool:
        """Add an answer to the part, or replace it; gives whether the part was continued."""
        status = answer.status_code
        stated = answer.headers.get("Content-Range", "")
        if n_had and status == requests.codes.requested_range_not_satisfiable:
            if stated == f"bytes */{n_had}":
                return True
            self._discard()
            raise _BrokenError("the file on the server is shorter than what was downloaded")
        if status not in (200, 206):
            passing = status >= 500 or status in (408, 429)
            error = _BrokenError if passing else _FailedError
            raise error(f"the server answers {status} {answer.reason}")
        now = _validator(answer)
        continued = status == requests.codes.partial_content
        # Some servers ignore If-Range and send the rest of a newer version.
        changed = None not in (validator, now) and validator != now
        if continued and (not n_had or not stated.startswith(f"bytes {n_had}-") or changed):
            self._discard()
            raise _BrokenError("the file on the server has changed since the download began")
        if not continued:
            self._discard()
            self._note.write_text(json.dumps({"url": url, "validator": now}), encoding="utf-8")
        self._append(answer, n_had if continued else 0)
        return continued

    def _append(self, answer: requests.Response, n_had: int) -> None:
        length = answer.headers.get("Content-Length", "")
        total = n_had + int(length) if length.isdigit() else None
        require_free(self._part.parent, (total or n_had) - n_had, f"the download {answer.url}")
        with self._part.open("ab") as part, byte_progress(self._path.name, n_had, total) as advance:
            # Not iter_content: it would unpack a .tgz that is sent as `Content-Encoding: gzip`.
            for chunk in answer.raw.stream(_CHUNK_BYTES, decode_content=False):
                part.write(chunk)
                advance(len(chunk))

    def _n_bytes(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _resumable(self, url: str) -> tuple[int, str | None]:
        """Bytes of this URL that are here, and what the server knows that version by."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0, None
        same = note.get("url") == url
        validator = note.get("validator") if same else None
        # Two versions, or files of two mirrors, could be joined: a hash has to vouch for that.
        vouched = self._expected and note.get("url") in self._mirrors
        return (self._n_bytes(), validator) if validator or vouched else (0, None)

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
    """What If-Range accepts: a strong ETag, or the time of the last change."""
    tag = answer.headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified")


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "the server does not answer in time"
    if isinstance(error, ProtocolError):
        return "the transfer broke off"
    # Requests wraps what urllib3 wraps; only the innermost says what happened.
    inner = getattr(error.args[0] if error.args else error, "reason", error)
    return str(inner).rpartition("): ")[2] or type(error).__name__


def check_hash(path: Path, known_hash: str | None) -> None:
    """Compare a file with its known hash, or else with the one recorded at its first download.

    Raises
    ------
    UserError
        If they differ; names the file, both values and how to proceed.
    """
    expected = known_hash or recorded_hash(path)
    if expected is None:
        return
    found = hash_of(path, expected.partition(":")[0])
    if found != expected:
        raise UserError(
            f"{path} is not the file that is expected: its hash is {found}, expected is "
            f"{expected}.\nDelete it to have it downloaded again. {_how_to_accept(path, found)}"
        )


def hash_of(path: Path, algorithm: str = "sha256") -> str:
    """Hash of a file as `algorithm:hexadecimal`; computed once while the file is unchanged.

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
    """Hash of the first download, `sha256:…`, if it was recorded beside the file.

    Raises
    ------
    UserError
        If the record holds no such hash.
    """
    record = _record_of(path)
    if not record.is_file():
        return None
    match = re.match(r"[0-9a-f]{64}(?=\s|$)", record.read_text(encoding="utf-8", errors="replace"))
    if match is None:
        raise UserError(f"{record} holds no SHA-256; delete it to trust the next download")
    return f"sha256:{match[0]}"


def _record_hash(path: Path) -> None:
    # The format of sha256sum, so that `sha256sum --check` reads it too.
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
