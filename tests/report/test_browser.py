"""The report as people see it: in Chromium, on a phone, in the dark, by keyboard."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browsing import PHONE, Visit, grave_problems, visit
from tests.conftest import run_kedro
from tests.report.test_page import NASTY, nasty_page

MOST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def measured_report(measured_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run whose codes were measured too."""
    project = Path(shutil.copytree(measured_run, tmp_path_factory.mktemp("report") / "project"))
    run_kedro(project, pipelines=["reporting"])
    return max(project.glob("data/07_reporting/twin_tiny/*/report.html/*/report.html"))


@pytest.fixture(scope="module")
def opened(measured_report: Path, browser: Any) -> Iterator[Visit]:
    with visit(browser, measured_report.as_uri()) as visited:
        yield visited


def test_the_page_is_small_and_asks_for_nothing(opened: Visit, measured_report: Path) -> None:
    assert measured_report.stat().st_size < MOST_BYTES
    assert opened.errors == []
    asked = [url for url in opened.requests if not url.startswith("data:")]
    assert asked == [measured_report.as_uri()]


def test_title_says_simulated(opened: Visit) -> None:
    assert "(simulated recordings)" in opened.page.title()


def test_every_picture_is_shown_and_described(opened: Visit) -> None:
    pictures = opened.page.evaluate(
        "[...document.images].map(image => [image.complete && image.naturalWidth, image.alt])"
    )
    # Three of each of four models, comparison, audit, codes, maps, swaps, reliability, ...
    assert len(pictures) >= 20
    assert all(width > 0 and text for width, text in pictures)


def test_every_player_can_play(opened: Visit) -> None:
    players = opened.page.evaluate(
        """Promise.all([...document.querySelectorAll("audio")].map(async player => {
            if (player.readyState === 0) {
                await new Promise(done => {
                    player.onloadedmetadata = player.onerror = done;
                    player.load();
                });
            }
            return [player.duration, player.error && player.error.message, player.ariaLabel];
        }))"""
    )
    # Swaps and mistakes.
    assert len(players) > 10
    for duration, error, label in players:
        assert duration > 0.1, error
        assert label


def test_a_player_plays(opened: Visit) -> None:
    position = opened.page.evaluate(
        """(async () => {
            const player = document.querySelector("audio");
            player.muted = true;
            await player.play();
            await new Promise(done => { player.onended = done; });
            return player.currentTime;
        })()"""
    )
    assert position > 0.1


def _is_dark(page: Any) -> bool:
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) < 3 * 128


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_theme_follows_the_device_until_it_is_chosen(
    measured_report: Path, browser: Any, scheme: str
) -> None:
    with visit(browser, measured_report.as_uri(), color_scheme=scheme) as visited:
        page = visited.page
        assert _is_dark(page) is (scheme == "dark")
        page.get_by_label("dark").check()
        assert _is_dark(page)
        page.get_by_label("light").check()
        assert not _is_dark(page)
        page.get_by_label("auto").check()
        assert _is_dark(page) is (scheme == "dark")
        page.emulate_media(media="print")
        assert not _is_dark(page)


def test_keyboard_reaches_content_theme_and_contents(measured_report: Path, browser: Any) -> None:
    with visit(browser, measured_report.as_uri()) as visited:
        page = visited.page
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the report"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.id") == "theme-dark"
        assert _is_dark(page)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.hash") == "#asked"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_grave_problem(measured_report: Path, browser: Any, scheme: str) -> None:
    for size in ({}, {"viewport": PHONE}):
        options = {"color_scheme": scheme, **size}
        with visit(browser, measured_report.as_uri(), **options) as visited:
            assert grave_problems(visited.page) == []


def test_a_phone_scrolls_tables_and_not_the_page(measured_report: Path, browser: Any) -> None:
    with visit(browser, measured_report.as_uri(), viewport=PHONE) as visited:
        page = visited.page
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        wide = page.evaluate(
            """[...document.querySelectorAll("body *")].filter(element =>
                element.getBoundingClientRect().right > innerWidth + 1
                && !element.closest(".scroll, .picture")).map(element => element.outerHTML)"""
        )
        assert wide == []
        boxes = page.evaluate(
            """[...document.querySelectorAll(".scroll")].filter(
                box => box.scrollWidth > box.clientWidth).length"""
        )
        assert boxes > 0


def test_on_a_phone_models_and_controls_are_seen_whole(measured_report: Path, browser: Any) -> None:
    with visit(browser, measured_report.as_uri(), viewport=PHONE) as visited:
        box = visited.page.locator("section[aria-labelledby=comparison] .picture").first
        assert box.evaluate("box => box.scrollWidth <= box.clientWidth")


def test_on_a_desktop_no_figure_is_cut(opened: Visit) -> None:
    cut = opened.page.evaluate(
        """[...document.querySelectorAll(".picture")].filter(
            box => box.scrollWidth > box.clientWidth).map(box => box.ariaLabel)"""
    )
    assert cut == []


def test_what_scrolls_can_be_scrolled_by_keyboard(measured_report: Path, browser: Any) -> None:
    with visit(browser, measured_report.as_uri(), viewport=PHONE) as visited:
        unreached = visited.page.evaluate(
            """[...document.querySelectorAll(".picture, .scroll")].filter(box =>
                box.scrollWidth > box.clientWidth && box.tabIndex < 0).length"""
        )
        assert unreached == 0


def test_on_a_phone_parameters_unfold_and_have_room(measured_report: Path, browser: Any) -> None:
    with visit(browser, measured_report.as_uri(), viewport=PHONE) as visited:
        page = visited.page
        folded = page.locator("details", has_text="parameters of the run")
        value = folded.locator("td").first
        assert not value.is_visible()
        folded.locator("summary").click()
        assert value.bounding_box()["width"] > 0.8 * PHONE["width"]
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_print_fits_the_paper(measured_report: Path, browser: Any, tmp_path: Path) -> None:
    # A4 less 15 mm at each side, in CSS pixels.
    with visit(
        browser, measured_report.as_uri(), viewport={"width": 680, "height": 1000}
    ) as visited:
        page = visited.page
        page.emulate_media(media="print")
        cut = page.evaluate(
            """[...document.querySelectorAll("img")].filter(element =>
                element.getBoundingClientRect().right > innerWidth + 1).length"""
        )
        assert cut == 0
        assert not page.get_by_role("navigation").is_visible()
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_names_are_shown_as_text_and_do_nothing(browser: Any, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text(nasty_page(), encoding="utf-8")
    dialogs = []
    with visit(browser, report.as_uri()) as visited:
        visited.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        visited.page.reload()
        assert visited.page.get_by_text(f"{NASTY}.wav").first.is_visible()
        assert visited.page.locator("script").count() == 0
        assert visited.page.get_by_role("heading", name=NASTY, exact=True).count() > 0
        assert visited.errors == []
        assert grave_problems(visited.page) == []
    assert dialogs == []
