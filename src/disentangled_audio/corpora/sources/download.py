"""Downloads one file completely and checks it, or explains why it cannot."""

import logging
import os
import re
import time
from pathlib import Path

import requests
from urllib3.exceptions import HTTPError, ProtocolError

from disentangled_audio.errors import UserError
from disentangled_audio.storage.disk_errors import explain, require_free
from disentangled_audio.storage.hashing import file_hash, hash_of
from disentangled_audio.storage.locks import locked
from disentangled_audio.storage.progress import byte_progress
from disentangled_audio.storage.temporaries import write_whole

logger = logging.getLogger(__name__)

# Pauses before further rounds through the mirrors; a round that brings new bytes begins anew.
_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
# Time for a server to answer, and to send the next bytes.
_TIMEOUTS_S = (15.0, 60.0)
# The most that a stalled transfer loses.
_CHUNK_BYTES = 1 << 16
# Errors of the URL (all are ValueErrors), of redirects and of certificates, which do not pass.
_LASTING = (ValueError, requests.TooManyRedirects, requests.exceptions.SSLError)


class _FailedError(Exception):
    """A URL did not give the file.

    `passing` tells whether it may later; `found` is the hash of the other file that it gave.
    """

    def __init__(self, reason: str, *, passing: bool = False, found: str | None = None) -> None:
        super().__init__(reason)
        self.passing = passing
        self.found = found


def fetch(mirrors: dict[str, list[str]], folder: Path, known_hash: str | None = None) -> Path:
    """Download the first of several files that one of its mirrors has, unless it exists.

    The environment variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY set the proxies. An interrupted
    download is resumed from `NAME.part` if a hash or the server tells that the file is the same.

    Parameters
    ----------
    mirrors : dict
        http or https URLs of each file, by its name in the folder.
    folder : Path
        It is created if it is missing.
    known_hash : str, optional
        `algorithm:hexadecimal`. Without it the SHA-256 of the first download is written to
        `NAME.sha256`, which later downloads and uses must match.

    Raises
    ------
    UserError
        If no mirror has a file, its hash is wrong, or it cannot be written.
    """
    reasons = ""
    for name, urls in mirrors.items():
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Two downloads at once would mix their bytes.
            with locked(folder / f".{name}.lock", wait=True):
                expected = known_hash or recorded_hash(path)
                if not path.is_file():
                    reasons += _from_mirrors(urls, path, expected)
                if path.is_file():
                    if expected is None:
                        _record_hash(path)
                    return path
        except OSError as error:
            raise UserError(
                f"{name} from {urls[0]} cannot be written to {folder}: {explain(error)}"
            ) from error
    raise UserError(
        f"{reasons}Check the address, the network and the proxy (HTTP_PROXY, HTTPS_PROXY), and run "
        f"again; or download {' or '.join(mirrors)} by other means into {folder}."
    )


def _from_mirrors(urls: list[str], path: Path, expected: str | None) -> str:
    """Download a file from the first mirror that has it; explain why none has."""
    part = path.with_name(f"{path.name}.part")
    failures: dict[str, _FailedError] = {}
    waiting, most, pauses_s = urls, 0, iter(_PAUSES_S)
    while waiting:
        for url in waiting:
            logger.info("Downloading %s to %s", url, path)
            try:
                _complete(url, part, expected)
            except _FailedError as error:
                logger.warning("%s: %s", url, error)
                failures[url] = error
                continue
            os.replace(part, path)
            _discard(part)
            return ""
        waiting = [url for url in waiting if failures[url].passing]
        if _n_bytes(part) > most:
            most, pauses_s = _n_bytes(part), iter(_PAUSES_S)
        pause_s = next(pauses_s, None)
        if pause_s is None:
            break
        time.sleep(pause_s)
    reasons = "\n".join(f"  {url}: {error}" for url, error in failures.items())
    problem = f"{path.name} could not be downloaded:\n{reasons}\n"
    for error in failures.values():
        if error.found is not None:
            raise UserError(problem + _how_to_accept(path, error.found)) from error
    return problem


def _complete(url: str, part: Path, expected: str | None) -> None:
    """Fill the part from one URL, in as many transfers as it takes while each brings bytes."""
    algorithm = (expected or "").partition(":")[0]
    found = None
    while True:
        n_bytes = _n_bytes(part)
        try:
            resumed = _transfer(url, part, expected)
        except _FailedError as error:
            if not error.passing or _n_bytes(part) <= n_bytes:
                raise
            time.sleep(_PAUSES_S[0])
            continue
        before, found = found, expected and f"{algorithm}:{file_hash(part, algorithm)}"
        if found == expected:
            return
        if not resumed or found == before:
            # The part is kept for a user who then accepts its hash.
            raise _FailedError(f"its hash is {found} instead of {expected}", found=found)
        # It may have begun as another file.
        _discard(part)


def _transfer(url: str, part: Path, expected: str | None) -> bool:
    """Receive a whole file, or what follows the part of it; tell whether it was resumed."""
    note = _note_of(part)
    noted = note.read_text(encoding="utf-8") if note.exists() else ""
    # Others could be of another version or mirror, which only a hash would detect.
    n_present = _n_bytes(part) if expected or noted.startswith(f"{url} ") else 0
    # The bytes are stored as they are sent, so they must not be compressed.
    headers = {"Accept-Encoding": "identity"}
    headers |= {"Range": f"bytes={n_present}-"} if n_present else {}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUTS_S) as answer:
            status, sent = answer.status_code, answer.headers.get("Content-Range", "")
            if status not in (200, 206, 416):
                passing = status >= 500 or status in (408, 429)
                raise _FailedError(f"the server answers {status} {answer.reason}", passing=passing)
            version = _version(url, answer)
            follows = sent.startswith(f"bytes {n_present}-") or sent == f"bytes */{n_present}"
            if status == 200:
                _discard(part)
                note.write_text(version, encoding="utf-8")
            elif not n_present or not follows or (expected is None and version != noted):
                _discard(part)
                raise _FailedError("the file has changed since the download began", passing=True)
            # It answers 416 if nothing follows.
            if status != 416:
                _append(answer, part)
            return status != 200
    except (requests.RequestException, HTTPError) as error:
        raise _FailedError(_reason(error), passing=not isinstance(error, _LASTING)) from error


def _version(url: str, answer: requests.Response) -> str:
    """Name a version of the file; empty if the server does not tell versions apart."""
    # A weak tag may stay when bytes change.
    tag = answer.headers.get("ETag", "W/")
    validator = answer.headers.get("Last-Modified") if tag.startswith("W/") else tag
    return f"{url} {validator}" if validator else ""


def _append(answer: requests.Response, part: Path) -> None:
    length, n_present = answer.headers.get("Content-Length", ""), _n_bytes(part)
    n_expected = int(length) if length.isdigit() else None
    require_free(part.parent, n_expected or 0, f"the download {answer.url}")
    total = None if n_expected is None else n_present + n_expected
    progress = byte_progress(part.stem, n_present, total)
    with part.open("ab") as file, progress as advance:
        # Not iter_content, which would unpack a .tgz sent as `Content-Encoding: gzip`.
        for chunk in answer.raw.stream(_CHUNK_BYTES, decode_content=False):
            file.write(chunk)
            advance(len(chunk))


def _n_bytes(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note_of(part).unlink(missing_ok=True)


def _note_of(part: Path) -> Path:
    """Name the file with the version of a part."""
    return part.with_name(f"{part.name}.version")


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
    found = expected and hash_of(path, expected.partition(":")[0])
    if found != expected:
        raise UserError(
            f"{path} is not the expected file: its hash is {found} instead of {expected}.\n"
            f"Delete it to download it again. {_how_to_accept(path, found)}"
        )


def recorded_hash(path: Path) -> str | None:
    """Read the hash of the first download, `sha256:…`, if it was recorded next to the file."""
    record = _record_of(path)
    if not record.is_file():
        return None
    match = re.match(r"[0-9a-f]{64}(?=\s|$)", record.read_text(encoding="utf-8", errors="replace"))
    if match is None:
        raise UserError(f"{record} holds no SHA-256; delete it to trust the next download")
    return f"sha256:{match[0]}"


def _record_hash(path: Path) -> None:
    # In the format that `sha256sum --check` reads.
    line = f"{file_hash(path)}  {path.name}\n"
    write_whole(_record_of(path), lambda record: record.write_text(line, encoding="utf-8"))


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
