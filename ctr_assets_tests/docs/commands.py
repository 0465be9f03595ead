"""What each command line says of itself."""

import contextlib
import importlib
import io
import os
from typing import Final
from unittest.mock import patch

MODULES: Final = (
    "ctr_assets.quickstart",
    "ctr_assets.demo.__main__",
    "ctr_assets.serving.__main__",
    "ctr_assets.jobs.__main__",
    "ctr_assets.launch.__main__",
    "ctr_assets_tests.benchmarks.__main__",
)
_SUBCOMMANDS: Final = {"ctr_assets.launch.__main__": ("render",)}
COLUMNS: Final = "100"
"""Width of the help: what fits a page."""


def commands() -> str:
    """A section for each command, with its help."""
    return "\n\n".join(_section(module) for module in MODULES)


def _section(module: str) -> str:
    command = " ".join(["python -m", module.removesuffix(".__main__"), *_SUBCOMMANDS.get(module, ())])
    return f"## `{command}`\n\n```text\n{help_of(module, *_SUBCOMMANDS.get(module, ()))}```"


def help_of(module: str, *subcommands: str) -> str:
    """What ``--help`` prints."""
    told = io.StringIO()
    with (
        patch.dict(os.environ, COLUMNS=COLUMNS),
        contextlib.redirect_stdout(told),
        contextlib.suppress(SystemExit),
    ):
        importlib.import_module(module).main([*subcommands, "--help"])
    return told.getvalue()
