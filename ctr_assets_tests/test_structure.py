"""Each folder imports only what the architecture lets it, and loading the definitions starts no engine."""

import ast
import os
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "ctr_assets"
ENGINES = {"pyspark", "torch"}
# Folder or module -> top-level packages it must not import, anywhere in its code.
FORBIDDEN = {
    "defs": ENGINES,
    "launch": ENGINES,
    "instance": ENGINES,
    "etl": {"dagster", "dagster_pipes", "torch"},
    "training": {"dagster", "dagster_pipes", "pyspark"},
    "baselines": {"dagster", "dagster_pipes", "torch"},
    "evaluation": {"dagster", "dagster_pipes", "torch", "pyspark"},
    "quality": {"dagster", "dagster_pipes", *ENGINES},
    "storage": {"dagster", "dagster_pipes", *ENGINES},
    "automation": {"dagster", "dagster_pipes", "gcsfs", "numpy", "pyarrow", *ENGINES},
    "landing": {"dagster", "dagster_pipes", "numpy", "pyarrow", *ENGINES},
    "serving": {"dagster", "dagster_pipes", *ENGINES},
    "demo": {"dagster", "dagster_pipes", *ENGINES, "ctr_assets", "fsspec", "gcsfs"},
    "jobs": {"dagster"},
    "days.py": {"dagster", "dagster_pipes", "fsspec", "numpy", "pyarrow", *ENGINES},
    "features.py": {"dagster", "dagster_pipes", "numpy", "pyarrow", *ENGINES},
    "urls.py": {"dagster", "dagster_pipes", "fsspec", "numpy", "pyarrow", *ENGINES},
    "problems.py": {"dagster", "dagster_pipes", "fsspec", "numpy", "pyarrow", *ENGINES},
    "launchpads.py": {"dagster", "dagster_pipes", *ENGINES},
    "settings.py": {"dagster", "dagster_pipes", *ENGINES},
    "definitions.py": ENGINES,
}


# Folder -> the parts of the package that it may import besides itself: what lies below it.
BELOW = {
    "baselines": {"features", "storage", "tables", "training"},
    "etl": {"crosses", "features", "landing", "pictures", "plain_text", "split", "storage", "tables"},
    "evaluation": {"days", "features", "pictures", "plain_text", "storage", "tables"},
    "training": {"features", "storage", "tables"},
}


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def names_imported_by(path):
    """``a.b`` for ``import a.b``, and ``a.b.c`` for ``from a.b import c``."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("place", FORBIDDEN)
def test_a_folder_imports_only_what_it_may(place):
    files = [PACKAGE / place] if place.endswith(".py") else sorted((PACKAGE / place).rglob("*.py"))
    assert files
    own = f"ctr_assets.{place}"
    found = [
        f"{path.relative_to(PACKAGE)}: {name}"
        for path in files
        for name in imports_of(path)
        if name.split(".")[0] in FORBIDDEN[place] and not name.startswith(own)
    ]
    assert found == []


@pytest.mark.parametrize("folder", BELOW)
def test_a_folder_imports_only_what_lies_below_it(folder):
    imported = {name for path in (PACKAGE / folder).rglob("*.py") for name in imports_of(path)}
    parts = {name.split(".")[1] for name in imported if name.startswith("ctr_assets.")}
    assert parts - {folder} == BELOW[folder]


def test_only_the_entry_points_and_the_launchers_speak_pipes():
    found = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        if any(name.split(".")[0] == "dagster_pipes" for name in imports_of(path))
    }
    assert found == {"jobs", "launch"}


# Module of a baseline -> the engines that it loads, by itself and by what it imports. Fitting with Spark and scoring
# run in different images, and Dagster's code, which reads the configurations, in one without any engine.
LOADS = {
    "gbt_config": set(),
    "logistic_config": set(),
    "gbt": {"pyspark"},
    "trees": set(),
    "logistic": {"safetensors", "sklearn"},
    "weights": {"safetensors"},
}


@pytest.mark.parametrize("module", LOADS)
def test_a_baseline_loads_no_engine_but_its_own(module):
    script = f"import sys, ctr_assets.baselines.{module}; print(*{{n.split('.')[0] for n in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    engines = ENGINES | {"safetensors", "sklearn"}  # pyspark.ml takes scipy where there is one
    assert engines & set(run.stdout.split()) == LOADS[module]


@pytest.mark.parametrize("deployment", ["laptop", "kubernetes"])
def test_definitions_load_without_engines(deployment):
    script = "import sys, ctr_assets.definitions; print(*{n.split('.')[0] for n in sys.modules})"
    environment = {**os.environ, "CTR_DEPLOYMENT": deployment}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert ENGINES.isdisjoint(run.stdout.split())
    assert "dagster" in run.stdout.split()


@pytest.mark.parametrize("root", [PACKAGE, TESTS], ids=lambda root: root.name)
def test_private_names_of_dagster_are_imported_in_one_module(root):
    private = re.compile(r"dagster\w*\.(\w+\.)*_")
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for name in names_imported_by(path)
        if private.match(name)
    }
    assert found == {"private_dagster.py"}


def test_settings_are_read_in_one_place():
    found = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and {"environ", "getenv", "EnvVar"} & names_of(node.func)
        if any(isinstance(a, ast.Constant) and str(a.value).startswith("CTR_") for a in node.args)
    }
    # The launcher's own process id, told to its jobs: no setting.
    assert found == {"jobs/__main__.py"}


def names_of(node):
    return {getattr(each, "attr", getattr(each, "id", None)) for each in ast.walk(node)}


def modules_under(root):
    """Dotted name of each module → its file; a package goes by its ``__init__``."""
    parts = {path: path.relative_to(root.parent).with_suffix("").parts for path in root.rglob("*.py")}
    return {".".join(p[:-1] if p[-1] == "__init__" else p): path for path, p in parts.items()}


@pytest.mark.parametrize("root", [PACKAGE, TESTS], ids=lambda root: root.name)
def test_no_modules_import_one_another_in_a_circle(root):
    """Whatever is imported counts: within a function, and for type checking, too."""
    modules = modules_under(root)
    imported = {
        module: {name if name in modules else name.rpartition(".")[0] for name in names_imported_by(path)} - {module}
        for module, path in modules.items()
    }
    try:
        TopologicalSorter(imported).prepare()
    except CycleError as e:
        pytest.fail(f"a circle of imports: {' <- '.join(e.args[1])}")


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_every_module_says_what_it_is(path):
    assert ast.get_docstring(ast.parse(path.read_text()))
