"""``python -m ctr_assets_tests.ui.screenshots``: the tutorial's pictures, of the instance that ``make demo`` left."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ctr_assets.storage import Store
from ctr_assets.tables import EVALUATION_REPORT
from ctr_assets_tests.ui.dagster_dev import chromium, dagster_dev

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER: Final = Path(__file__).parents[2] / "docs" / "assets" / "ui"
SETTLE_MILLISECONDS: Final = 4_000
"""Statuses and plots come after the page."""


def open_all_groups(page: "Page") -> None:
    page.get_by_text("models").first.wait_for()
    page.get_by_text("Hide navigation").click()
    page.get_by_placeholder("Jump to…").locator("xpath=following::button[1]").click()
    page.keyboard.press("Alt+KeyE")


def open_plots(page: "Page") -> None:
    page.get_by_role("button", name="Plots").click()
    page.get_by_role("button", name="Events").click()
    page.locator("canvas").first.wait_for()
    page.locator("canvas").first.evaluate("canvas => canvas.scrollIntoView({block: 'center'})")


def nothing(page: "Page") -> None:
    """The page as it opens."""


PICTURES: Final[dict[str, tuple[str, Callable[["Page"], None]]]] = {
    "graph": ("/asset-groups", open_all_groups),
    "partitions": ("/assets/encoded_features?view=partitions", nothing),
    "checks": ("/assets/encoded_features?view=checks&checkDetail=unknown_rate", nothing),
    "plots": ("/assets/impression_profile", open_plots),
}
"""Name of the file -> page of the UI, and what is clicked there."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("data/demo"), help="folder that make demo wrote (data/demo)")
    home = parser.parse_args().home.resolve()
    store = Store(str(home / "store"))
    newest = max(path.name for path in (home / "store" / EVALUATION_REPORT).iterdir())
    report = store.manifest(EVALUATION_REPORT, newest)
    (html,) = (file for file in report.files if file.name.endswith(".html"))
    FOLDER.mkdir(parents=True, exist_ok=True)
    with dagster_dev(home) as url, chromium() as browser:
        page = browser.new_page(base_url=url, viewport={"width": 1440, "height": 960})
        page.set_default_timeout(60_000)
        for name, (path, click) in PICTURES.items():
            page.goto(path)
            page.wait_for_timeout(SETTLE_MILLISECONDS)
            click(page)
            page.wait_for_timeout(SETTLE_MILLISECONDS)
            page.screenshot(path=FOLDER / f"{name}.png")
        page.goto(f"file://{store.file_path(report, html)}")
        page.screenshot(path=FOLDER / "report.png")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
