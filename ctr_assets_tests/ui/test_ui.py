"""What a person does first in the UI: look at the graph, materialize, backfill, see what failed and how it looks."""

import re

import pytest

from ctr_assets.definitions import defs
from ctr_assets_tests.deliveries import deliver, impressions
from ctr_assets_tests.system_packages import find_program, skip_reason
from ctr_assets_tests.ui.dagster_dev import chromium, dagster_dev

pytestmark = [
    pytest.mark.minutes,
    pytest.mark.skipif(find_program("chromium") is None, reason=skip_reason("chromium")),
    # A run starts a JVM, and the machine may have other work.
    pytest.mark.timeout(600),
]
ROWS = {"2014-10-21": 300, "2014-10-22": 300, "2014-10-23": 3000}
"""Ten times the usual rows on the last day: a check fails."""
RUN_MILLISECONDS = 240_000


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of a running ``dagster dev`` with three days in the landing zone; no console error may come up in it."""
    home = tmp_path_factory.mktemp("ui")
    for day, rows in ROWS.items():
        deliver(home / "landing", f"day={day}/impressions.csv", impressions(day, rows))
    errors = []
    with dagster_dev(home) as url, chromium() as browser:
        page = browser.new_page(base_url=url, viewport={"width": 1500, "height": 950})
        page.set_default_timeout(60_000)
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
    assert errors == []


def materialize(page, days, button):
    page.get_by_role("button", name="Materialize…").click()
    dialog = page.get_by_role("dialog")
    box = dialog.get_by_placeholder(re.compile("^ex: "))
    box.fill(days)
    box.press("Enter")
    dialog.get_by_role("button", name=button).click()
    dialog.wait_for(state="hidden")


def test_the_graph_shows_every_asset(page):
    page.goto("/asset-groups")
    page.get_by_text("models").first.wait_for()
    # Opens all groups of the graph.
    page.keyboard.press("Alt+KeyE")
    for key in defs.resolve_asset_graph().get_all_asset_keys():
        # A long name is cut in the middle.
        page.get_by_text(key.path[-1][:5]).last.wait_for()


def test_an_asset_is_materialized_and_the_rest_backfilled(page):
    page.goto("/assets/raw_impressions?view=partitions")
    page.get_by_text("Materialized (0)").wait_for()
    materialize(page, "2014-10-21", "Launch 1 run")
    page.get_by_text("Materialized (1)").wait_for(timeout=RUN_MILLISECONDS)
    materialize(page, "[2014-10-22...2014-10-23]", "Launch backfill")
    page.goto("/assets/raw_impressions?view=partitions")
    page.get_by_text("Materialized (3)").wait_for(timeout=RUN_MILLISECONDS)


def test_a_failed_check_has_a_badge_and_says_why(page):
    page.goto("/assets/raw_impressions?view=checks&checkDetail=row_volume")
    page.get_by_text("row_volume").first.wait_for()
    page.get_by_text("3,000 impressions, 10.00 x the median").first.wait_for(timeout=RUN_MILLISECONDS)
    page.goto("/assets/raw_impressions")
    badges = page.get_by_text("Latest check results").locator("..")
    badges.get_by_text(re.compile("^1$")).wait_for()


def test_an_asset_page_plots_its_figures_over_time(page):
    page.goto("/assets/raw_impressions")
    page.get_by_role("button", name="Plots").click()
    # By partition the UI (1.13) looks for the last 120 days of the calendar, whatever the last partition is.
    page.get_by_role("button", name="Events").click()
    page.locator("canvas").first.wait_for()
    page.get_by_text("rows_per_second").first.wait_for()
