"""What set-up takes from the lock and from this machine's pip; the installation itself is what runs these tests."""

import os
import subprocess
import sys

import pytest

from ctr_assets_tests.deploy.files import DEPLOY, LOCK, LOCKED, ROOT

SCRIPT = DEPLOY / "laptop" / "install.py"


def in_the_script(expression, **environment):
    """What an expression is worth in the script's own names."""
    code = f"import sys, runpy; names = runpy.run_path({str(SCRIPT)!r}); print(eval({expression!r}, names))"
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize(
    ("pip_conf", "variables", "expected"),
    [
        ("", {}, {}),
        (
            "[global]\nindex-url = https://mirror.example/simple\nfind-links = /wheels /more\n",
            {},
            {"UV_DEFAULT_INDEX": "https://mirror.example/simple", "UV_FIND_LINKS": "/wheels,/more"},
        ),
        (
            "[global]\nextra-index-url =\n  https://one.example/simple\n  https://two.example/simple\n",
            {},
            {"UV_INDEX": "https://one.example/simple https://two.example/simple"},
        ),
        ("[global]\nfind-links = /file\n", {"PIP_FIND_LINKS": "/environment"}, {"UV_FIND_LINKS": "/environment"}),
    ],
    ids=["none", "index and folders", "extra indexes", "the environment overrides"],
)
def test_pips_settings_are_uvs(tmp_path, monkeypatch, pip_conf, variables, expected):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    (tmp_path / "pip.conf").write_text(pip_conf)
    # pip then reads this file, and not the machine's own.
    variables = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "XDG_CONFIG_HOME": str(tmp_path), **variables}
    assert in_the_script("pip_settings(Path(sys.prefix))", **variables) == str(expected)


def test_uv_is_taken_from_the_lock_by_its_hashes():
    taken = in_the_script("locked('uv', LOCK.read_text())")
    assert taken.startswith(f"uv=={LOCKED['uv']} \\\n")
    assert taken.count("--hash=sha256:") > 1
    assert "==" not in taken.removeprefix("uv==")
    assert taken in LOCK


def test_every_extra_that_is_installed_is_the_projects():
    listed = in_the_script("[words for extra in REQUIREMENTS.values() for words in extra]")
    for extra in ("laptop", "serving", "dev"):
        assert f".[{extra}]" in listed
    assert (ROOT / "pyproject.toml").exists()
