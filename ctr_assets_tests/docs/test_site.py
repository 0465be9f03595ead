"""The site builds without a warning, every link in it leads somewhere, and it asks no foreign host for anything."""

import html.parser
import re
import shutil
import subprocess
import sys
from urllib.parse import unquote, urlsplit

import pytest

from ctr_assets_tests.docs.blocks import ROOT

LOADED = {("script", "src"), ("img", "src"), ("link", "href"), ("source", "srcset"), ("iframe", "src")}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    shutil.copy(ROOT / "zensical.toml", folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    built = subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"], cwd=folder, capture_output=True, text=True
    )
    assert built.returncode == 0, re.sub(r"\x1b\[[\d;]*m", "", built.stdout + built.stderr)
    return folder / "site"


class _Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, name, value) for name, value in attrs if name in ("href", "src", "srcset") and value]


def links_of(page):
    parser = _Links()
    parser.feed(page.read_text())
    return parser.found


def test_every_link_leads_somewhere(site):
    broken = []
    for page in site.rglob("*.html"):
        for _, _, link in links_of(page):
            parts = urlsplit(link)
            if parts.scheme or not parts.path or page.name == "404.html":
                continue
            target = (page.parent / unquote(parts.path)).resolve()
            if not (target.is_file() or (target / "index.html").is_file()):
                broken.append(f"{page.relative_to(site)}: {link}")
    assert broken == []


def test_no_page_loads_anything_from_elsewhere(site):
    loaded = {link for page in site.rglob("*.html") for tag, name, link in links_of(page) if (tag, name) in LOADED}
    assert [link for link in loaded if urlsplit(link).netloc] == []


def test_every_page_is_in_the_navigation(site):
    linked = {
        (page.parent / urlsplit(link).path).resolve()
        for page in site.rglob("*.html")
        for tag, _, link in links_of(page)
        if tag == "a" and not urlsplit(link).scheme and urlsplit(link).path
    }
    pages = {page.parent.resolve() for page in site.rglob("index.html")}
    assert {folder for folder in pages if folder not in linked} <= {site.resolve()}
