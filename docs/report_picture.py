"""Draw docs/images/report.png, the first screen of a report.

    kedro run --env=rooms
    python docs/report_picture.py data/07_reporting/rvb2014_rirs/room_near_to_far

Needs a Chromium browser (Playwright's own, or the system's). The folder is that of a run's results;
the newest report in it is shown.
"""

import argparse
import shutil
from pathlib import Path

WIDTH, HEIGHT = 1000, 780


def main() -> None:
    """Take the picture, or say what is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="folder that has report.html")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "images" / "report.png"
    )
    options = parser.parse_args()
    reports = sorted(options.results.glob("report.html/*/report.html"))
    if not reports:
        parser.error(f"{options.results} has no report.html; kedro run makes one")
    screenshot(reports[-1], options.output)


def screenshot(page_file: Path, picture: Path) -> None:
    """Save what a window shows of a page before anybody scrolls."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(page_file.resolve().as_uri())
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
