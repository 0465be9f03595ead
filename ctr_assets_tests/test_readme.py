"""The README says what is so: its contract is the code's, its commands and folders exist."""

import re
from pathlib import Path

import pytest

from ctr_assets import settings
from ctr_assets.defs.checks import CHECKS
from ctr_assets.jobs.contract import METADATA, markdown_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_contract_is_the_codes():
    stated = README.split("<!-- contract -->")[1].split("<!-- /contract -->")[0].strip()
    assert stated == markdown_table(), "paste the output of: python -m ctr_assets.jobs.contract"
    assert all(f"`{asset}`" in stated for asset in METADATA)


def test_the_settings_are_the_codes():
    stated = README.split("<!-- settings -->")[1].split("<!-- /settings -->")[0].strip()
    assert stated == settings.markdown_table(), "paste the output of: python -m ctr_assets.settings"


def test_every_check_is_named_beside_its_asset():
    rows = README.split("## Checks")[1].split("\n## ")[0]
    for asset, checks in CHECKS.items():
        (row,) = re.findall(rf"^\| `{asset.key.path[-1]}` \|(.*)\|(.*)\|$", rows, re.MULTILINE)
        for check in checks:
            assert f"`{check.name}`" in row[0 if check.blocking else 1], check.name


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) | set(re.findall(r"`make ([a-z]+)", README))
    assert {"demo", "test", "dev"} <= used <= targets


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:ctr_assets|deploy|docker)[\w/]*(?:\.py|/))`", README))))
def test_every_place_exists(path):
    assert (ROOT / path).exists()


def test_ci_runs_the_readmes_test_command():
    assert re.search(r"^make test$", README, re.MULTILINE)
    assert re.search(r"^make test$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
