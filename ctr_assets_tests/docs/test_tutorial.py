"""What the tutorial says is typed, command by command, and prints what it promises."""

import os

import pytest

from ctr_assets_tests.deploy.ports import free_port
from ctr_assets_tests.docs.blocks import ROOT
from ctr_assets_tests.docs.typed import Typed, copy_of_the_project, missing_line, terminal, typed_on

PAGES = [ROOT / "docs/tutorial/index.md", ROOT / "docs/tutorial/ui.md"]


@pytest.mark.minutes
@pytest.mark.timeout(1800)
def test_every_command_prints_what_the_page_promises(tmp_path):
    # Others may listen at the ports of the page. No setting of this process may stand in for what the page says.
    http, ui = str(free_port()), str(free_port())
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CTR_", "DAGSTER_"))}
    environment = {**kept, "PORT": ui, "OPTIONS": f"--http-port {http} --grpc-port 0"}
    with terminal(copy_of_the_project(tmp_path), environment) as shell:
        for page in PAGES:
            blocks = typed_on(page.read_text().replace(":8080", f":{http}").replace(":3000", f":{ui}"))
            assert blocks
            for block in blocks:
                shell.type(block)


PAGE = """
```sh
echo one
```

```text
one
```

<!-- in the background -->

```sh
sleep 60
```
"""


def test_commands_are_read_with_their_output():
    assert typed_on(PAGE) == [Typed("echo one\n", "one\n"), Typed("sleep 60\n", stays=True)]


@pytest.mark.parametrize(
    ("promised", "missing"),
    [
        ("one\nthree", None),
        ("two …\nthree", None),
        ("…\n two 2", None),
        ("three\none", "one"),
        ("tw", "tw"),
        ("two … 3", "two … 3"),
    ],
)
def test_promised_lines_are_found_in_order(promised, missing):
    assert missing_line(promised, "one\n  two 2\nthree\n") == missing


def test_a_command_that_fails_or_prints_something_else_fails_the_test(tmp_path):
    with terminal(tmp_path, dict(os.environ)) as shell:
        assert shell.type(Typed("echo one; echo two\n", "one\ntwo\n")) == "one\ntwo\n"
        with pytest.raises(AssertionError, match="did not print 'three'"):
            shell.type(Typed("echo one\n", "three\n"))
        with pytest.raises(AssertionError, match="ended with 1"):
            shell.type(Typed("false | cat\n"))


def test_what_was_said_to_the_make_that_runs_the_tests_is_not_said_to_those_that_are_typed(tmp_path):
    (tmp_path / "Makefile").write_text("OPTIONS ?= none\nshow:\n\t@echo $(OPTIONS)\n")
    with terminal(tmp_path, {**os.environ, "MAKEFLAGS": " -- OPTIONS=other"}) as shell:
        shell.type(Typed("make show\n", "none\n"))


def test_what_stays_in_the_background_ends_with_the_terminal(tmp_path):
    with terminal(tmp_path, dict(os.environ)) as shell:
        pid = int(shell.type(Typed("echo is $$; exec sleep 60\n", "is …\n", stays=True)).split()[1])
        os.kill(pid, 0)
        with pytest.raises(AssertionError, match="ended with 3"):
            shell.type(Typed("exit 3\n", "ready\n", stays=True))
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
