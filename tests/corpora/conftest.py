"""A local HTTP server that can misbehave on demand."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Answer:
    """One answer; the defaults are those of a well-behaved server."""

    content: bytes = b""
    status: int = 200
    declared: int | None = None
    """Content-Length, if it is to be wrong."""
    sent: int | None = None
    """Number of bytes after which the connection is closed."""
    stall_s: float = 0.0
    """Pause after half of the content."""
    ranges: bool = True
    validator: bool = True
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Server:
    """Answers each path from its list, repeating the last answer."""

    address: str
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def url(self, name: str, *answers: Answer) -> str:
        self.answers[f"/{name}"] = list(answers)
        return f"{self.address}/{name}"

    def ranges(self) -> list[str | None]:
        """The Range header of each request."""
        return [asked for _, asked in self.requests]


class _Handler(BaseHTTPRequestHandler):
    server_of_tests: Server

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        tests = self.server_of_tests
        tests.requests.append((self.path, self.headers["Range"]))
        answers = tests.answers.get(self.path, [Answer(status=404)])
        self._answer(answers.pop(0) if len(answers) > 1 else answers[0])

    def _answer(self, answer: Answer) -> None:
        tag = f'"{hashlib.md5(answer.content).hexdigest()}"'
        status, body, headers = answer.status, answer.content, dict(answer.headers)
        start = self._start(answer)
        if start and status == 200:
            status, body = 206, body[start:]
            headers["Content-Range"] = (
                f"bytes {start}-{len(answer.content) - 1}/{len(answer.content)}"
            )
            if not body:
                status = 416
                headers["Content-Range"] = f"bytes */{len(answer.content)}"
        if answer.validator:
            headers["ETag"] = tag
        self.send_response(status)
        headers.setdefault("Content-Length", str(answer.declared or len(body)))
        for key, value in headers.items():
            if value:
                self.send_header(key, value)
        self.end_headers()
        first = len(body) // 2 if answer.stall_s else len(body)
        self.wfile.write(body[: answer.sent if answer.sent is not None else first])
        if answer.stall_s:
            self.server_of_tests.closing.wait(answer.stall_s)
            self.wfile.write(body[first:])

    def _start(self, answer: Answer) -> int:
        asked = self.headers["Range"]
        if not asked or not answer.ranges:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port of this machine, for one test."""
    handler = type("Handler", (_Handler,), {})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    # Clients that give up are what is tested.
    http.handle_error = lambda *_: None  # type: ignore[method-assign]
    tests = Server(f"http://127.0.0.1:{http.server_port}")
    handler.server_of_tests = tests
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield tests
    tests.closing.set()
    http.shutdown()
    http.server_close()
    thread.join(timeout=5)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
