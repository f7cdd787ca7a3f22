"""A headless browser for tests that look at pages as people do."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest

# Set by .ci/run: there a browser that is missing is a failure, elsewhere a reason to skip.
REQUIRED = "BROWSER_REQUIRED"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
# What axe-core calls a problem that keeps people out.
GRAVE = {"serious", "critical"}


@dataclass
class Visit:
    """A page that is open, and what went on while it was."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def a_browser() -> Iterator[Any]:
    """Debian's Chromium under Playwright; skips the test where either is missing.

    Playwright's event loop runs as long as this is open, so no fixture that lasts longer than a
    module should hold it: `asyncio.run` in another test would fail.
    """
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        _go_without("no browser is installed (on Debian: apt install chromium)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _go_without("Playwright is not installed (pip install '.[dev]')")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visit(browser: Any, url: str, **options: Any) -> Iterator[Visit]:
    """Open a page; `options` are Playwright's of a context, such as `color_scheme`."""
    context = browser.new_context(**{"viewport": DESKTOP, **options})
    visited = Visit(context.new_page())
    visited.page.on("pageerror", lambda error: visited.errors.append(str(error)))
    visited.page.on(
        "console",
        lambda line: visited.errors.append(line.text) if line.type == "error" else None,
    )
    visited.page.on("request", lambda request: visited.requests.append(request.url))
    visited.page.goto(url, wait_until="load")
    yield visited
    context.close()


def grave_problems(page: Any) -> list[str]:
    """What axe-core finds that keeps people out: rule, meaning and the elements it is about."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{problem['id']} ({problem['impact']}): {problem['help']}: "
        + "; ".join(node["html"] for node in problem["nodes"][:3])
        for problem in found
        if problem["impact"] in GRAVE
    ]


def _go_without(reason: str) -> NoReturn:
    if os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, but {reason}")
    pytest.skip(f"browser tests are left out: {reason}")
