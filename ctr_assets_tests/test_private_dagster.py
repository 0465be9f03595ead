"""An upgrade of Dagster that moves a private name is told as such, by name."""

import ast
import runpy
from importlib import import_module
from pathlib import Path

import pytest

from ctr_assets import private_dagster

SOURCE = Path(private_dagster.__file__)
IMPORTED = [
    pytest.param(import_module(node.module), alias.name, id=alias.name)
    for node in ast.walk(ast.parse(SOURCE.read_text()))
    if isinstance(node, ast.ImportFrom) and node.module
    for alias in node.names
]


@pytest.mark.parametrize(("module", "name"), IMPORTED)
def test_a_name_that_an_upgrade_moved_is_told(module, name, monkeypatch):
    monkeypatch.delattr(module, name)
    with pytest.raises(ImportError, match=rf"Dagster [\d.]+ has moved .*'{name}'.*private_dagster\.py"):
        runpy.run_path(str(SOURCE))


def test_every_name_is_tried():
    assert {param.id for param in IMPORTED} == set(private_dagster.__all__)
