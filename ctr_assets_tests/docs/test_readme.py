"""The README says what is so, on three screens: its commands, places and links exist."""

import re
import tomllib
from pathlib import Path

import pytest

from ctr_assets_tests.docs.blocks import ROOT

README = (ROOT / "README.md").read_text()
MOST_LINES = 150
BESIDE = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]


def test_it_is_short():
    assert len(README.splitlines()) <= MOST_LINES


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = set(re.findall(r"^make ([a-z-]+)", README, re.MULTILINE))
    used |= {name for each in BESIDE for name in re.findall(r"`make\s([a-z-]+)", each.read_text())}
    assert {"demo", "test", "dev"} <= used <= targets


@pytest.mark.parametrize("page", BESIDE, ids=lambda page: page.name)
def test_every_place_and_link_exists(page):
    text = page.read_text()
    places = re.findall(r"`((?:ctr_assets|ctr_assets_tests|deploy|docker|docs)/[\w/.-]*)`", text)
    links = re.findall(r"(?:\]\(|(?:src|srcset)=\")([^)#\"]+)", text)
    found = {*places, *(link for link in links if not link.startswith("https://"))}
    assert [place for place in sorted(found) if not (ROOT / place).exists()] == []


def test_ci_runs_the_readmes_test_command():
    assert re.search(r"^make test$", README, re.MULTILINE)
    assert re.search(r"^make test$", (ROOT / ".ci/run").read_text(), re.MULTILINE)


def test_the_newest_release_of_the_changelog_is_the_version():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert re.findall(r"^## \[(\d.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0] == version


def test_a_commit_is_asked_for_what_ci_asks_for():
    assert "entry: make lint" in (ROOT / ".pre-commit-config.yaml").read_text()
    assert "- run: .ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_the_five_files_are_the_same_everywhere():
    pages = [README, (ROOT / "docs/reference/code.md").read_text()]
    firsts = [re.findall(r"^\d\. `(.+?)`", page, re.MULTILINE) for page in pages]
    assert firsts[0] == firsts[1]
    assert len(firsts[0]) == 5
    assert all(Path(ROOT / name).exists() for name in firsts[0])
