"""How-to, concepts, operations and decisions say what is so: names, places, commands, messages and snippets."""

import ast
import re
import subprocess
import textwrap
from importlib.util import find_spec

import pyarrow as pa
import pytest

from ctr_assets.settings import OTHERS, VARIABLES
from ctr_assets.storage import Store, write_parquet
from ctr_assets.tables import PREDICTIONS_SCHEMA, QUARANTINE_SCHEMA
from ctr_assets_tests.docs.blocks import ROOT
from ctr_assets_tests.docs.messages import is_quoted, messages
from ctr_assets_tests.encoded_days import write_days

FOLDERS = ("how-to", "concepts", "operations", "decisions")
PAGES = [page for folder in FOLDERS for page in sorted((ROOT / "docs" / folder).glob("*.md"))]
TEXTS = {f"{page.parent.name}/{page.name}": page.read_text() for page in PAGES}
SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
RUN = ["how-to/read-a-table.md", "how-to/rerun-a-day.md"]
OF_OTHERS = {
    "Class org.apache.hadoop.fs.gs.GoogleHadoopFileSystem not found": "Spark",
    "Error getting access token from metadata server": "the GCS connector",
    'The champion is damaged: … Missing key(s) in state_dict: "activation.weight" …: the baselines decide': "torch",
    "The champion is damaged: … Error(s) in loading state_dict …: the baselines decide": "torch",
    "not scheduled: … Insufficient nvidia.com/gpu": "Kubernetes",
    "kubectl describe workload": "a command",
    "make reference": "a command",
}
"""What tables quote beside the messages of the package, and whose words they are."""
OF_EXAMPLES = {
    *("banner_pos_x_device_conn_type", "every_hour", "site_id_x_app_id"),
    "application_default_credentials",
}
"""Names that a page makes up, or that are of another program."""


def blocks(text, *languages):
    return [textwrap.dedent(body) for _, language, body in FENCE.findall(text) if language in languages]


def prose(text):
    return FENCE.sub("", text)


@pytest.fixture(scope="module")
def sources():
    """All words of the code, its tests and what is deployed."""
    folders = [ROOT / name for name in ("ctr_assets", "ctr_assets_tests", "deploy", "docker")]
    files = [
        path for folder in folders for path in folder.rglob("*") if path.suffix in (".py", ".yaml", ".env", ".json")
    ]
    read = [
        path.read_text()
        for path in [*files, ROOT / "Makefile", ROOT / "pyproject.toml"]
        if path.name != "test_pages.py"
    ]
    return {path.stem for path in files} | set(re.findall(r"\w+", "\n".join(read)))


@pytest.mark.parametrize("page", TEXTS)
def test_a_page_begins_with_what_its_reader_will_have(page):
    found = re.match(r"# .+\n\n((?:.+\n)+)", TEXTS[page])
    assert found
    (first,) = found.groups()
    begins = "**Chosen**: " if page.startswith("decisions/") else "After this page "
    assert page.endswith("index.md") or first.startswith(begins)


@pytest.mark.parametrize("page", TEXTS)
def test_every_place_module_target_and_setting_exists(page):
    text = TEXTS[page]
    places = re.findall(r"`((?:ctr_assets|ctr_assets_tests|deploy|docker|docs)/[\w/.-]*)`", text)
    modules = re.findall(r"python -m (ctr_assets[\w.]*)", text)
    targets = re.findall(r"(?:^|`) *make ([a-z-]+)", text, re.MULTILINE)
    settings = re.findall(r"\bCTR_[A-Z_]+\b", text)
    assert [place for place in places if not (ROOT / place).exists()] == []
    assert [module for module in modules if find_spec(module) is None] == []
    assert set(targets) <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert [each for each in settings if each not in VARIABLES and not OTHERS.fullmatch(each) and each != "CTR_"] == []


@pytest.mark.parametrize("page", TEXTS)
def test_every_name_is_in_the_code(page, sources):
    named = {word for span in SPAN.findall(prose(TEXTS[page])) for word in re.findall(r"\w*[a-z]_[a-z]\w*", span)}
    assert sorted(named - sources - OF_EXAMPLES) == []


@pytest.fixture(scope="module")
def known():
    return messages(ROOT / "ctr_assets")


@pytest.mark.parametrize("page", TEXTS)
def test_what_tables_quote_are_messages_of_the_code(page, known):
    rows = [line.split("|")[1:3] for line in TEXTS[page].splitlines() if re.match(r" *\| ", line)]
    quoted = {span for cells in rows for cell in cells for span in SPAN.findall(cell) if len(span.split()) > 3}
    assert sorted(span for span in quoted if span not in OF_OTHERS and not is_quoted(span, known)) == []


@pytest.mark.parametrize("page", TEXTS)
def test_shell_blocks_are_shell(page):
    for block in blocks(TEXTS[page], "sh"):
        checked = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert checked.returncode == 0, f"{checked.stderr}\n{block}"


@pytest.mark.parametrize("page", TEXTS)
def test_python_blocks_are_python(page):
    inside = [
        body for block in blocks(TEXTS[page], "sh") for body in re.findall(r"<<'EOF'\n(.*?)^EOF$", block, re.M | re.S)
    ]
    for block in [*blocks(TEXTS[page], "python"), *inside]:
        ast.parse(re.sub(r"^ *\.\.\.\n", "", block, flags=re.MULTILINE))


def write_table(store, table, day, rows):
    version = store.begin(table, day)
    version.commit([write_parquet(store, version.folder, "part-00000.parquet", rows)], {})


@pytest.fixture
def demo(tmp_path, monkeypatch):
    """The demo's store, small, where the pages' snippets look for it."""
    store = Store(str(tmp_path / "data/demo/store"))
    write_days(store, ["2014-10-21"], rows_per_day=100)
    write_table(store, "click_predictions", "2014-10-30", PREDICTIONS_SCHEMA.empty_table())
    reasons = pa.table([["a.csv"] * 2, ["hour is not YYMMDDHH"] * 2, ["1,bad", "2,bad"]], schema=QUARANTINE_SCHEMA)
    write_table(store, "quarantined_rows", "2014-10-24", reasons)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("page", RUN)
def test_python_blocks_run_on_the_demos_store(page, demo, capsys):
    printed = []
    for block in blocks(TEXTS[page], "python"):
        exec(compile(block, page, "exec"), {})
        printed.append(capsys.readouterr().out)
    expected = {RUN[0]: [r"100 \d{8}T\d{6}-", "0 20"], RUN[1]: [r"Counter\({'hour is not YYMMDDHH': 2}\)"]}
    for pattern, out in zip(expected[page], printed, strict=True):
        assert re.match(pattern, out), out
