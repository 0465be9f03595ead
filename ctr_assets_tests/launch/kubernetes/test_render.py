"""``python -m ctr_assets.launch render`` prints what the launcher would create, and the examples in deploy/jobs."""

import json
import shlex

import pytest
import yaml

from ctr_assets.launch.__main__ import main
from ctr_assets_tests.launch.kubernetes.manifests import ROOT, assert_operators_accept

EXAMPLES = sorted((ROOT / "deploy" / "jobs").glob("*.yaml"))
DAYS = json.dumps({"days": ["2014-10-21", "2014-10-22"], "store_url": "gs://b/s"})
DAY = json.dumps({"day": "2014-10-30", "store_url": "gs://b/s"})


def rendered(capsys, *arguments):
    assert main(["render", *arguments]) == 0
    return capsys.readouterr().out


def command_of(example):
    """The command in an example's first lines."""
    comments = [line.removeprefix("#") for line in example.read_text().splitlines() if line.startswith("#")]
    words = shlex.split(" ".join(comment.rstrip("\\ ") for comment in comments))
    return words[words.index("ctr_assets.launch") + 1 :]


def test_there_is_an_example_of_each_kind():
    assert [path.stem for path in EXAMPLES] == [
        "pytorch-wide-deep-model",
        "spark-encoded-features",
        "trainjob-wide-deep-model",
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_the_example_is_what_its_command_prints(example, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(command_of(example)) == 0
    kept = [line for line in example.read_text().splitlines(keepends=True) if not line.startswith("#")]
    assert "".join(kept) == capsys.readouterr().out, "render it again: the command is in its first lines"


def test_the_published_schemas_accept_the_examples():
    assert_operators_accept([yaml.safe_load(path.read_text()) for path in EXAMPLES])


def test_the_name_is_the_same_each_time_and_can_be_given(capsys):
    one = yaml.safe_load(rendered(capsys, "spark", "encoded_features", "--params", DAYS))
    two = yaml.safe_load(rendered(capsys, "spark", "encoded_features", "--params", DAYS))
    named = yaml.safe_load(rendered(capsys, "spark", "encoded_features", "--params", DAYS, "--name", "mine"))
    assert one == two
    assert one["metadata"]["name"].startswith("ctr-encoded-fe-141021-141022-")
    assert named["metadata"]["name"] == "mine"


def test_the_parameters_reach_the_job(capsys):
    manifest = yaml.safe_load(rendered(capsys, "pytorch", "wide_deep_model", "--params", DAY))
    args = manifest["spec"]["pytorchReplicaSpecs"]["Master"]["template"]["spec"]["containers"][0]["args"]
    assert args[:2] == ["wide_deep_model", "--params"]
    assert json.loads(args[2]) == json.loads(DAY)


def test_no_dagster_run_owns_it(capsys):
    manifest = yaml.safe_load(rendered(capsys, "spark", "encoded_features", "--params", DAYS))
    assert manifest["metadata"]["labels"]["ctr-assets/run-id"] == "by-hand"


def test_settings_come_from_the_file_and_then_from_the_line(tmp_path, capsys):
    (tmp_path / "settings.yaml").write_text("cluster: {namespace: ml}\nspark: {executors: 7, executor_cores: 2}\n")
    arguments = ["--settings", str(tmp_path / "settings.yaml"), "--set", "executors=9", "--set", "queue=ctr"]
    manifest = yaml.safe_load(rendered(capsys, "spark", "encoded_features", "--params", DAYS, *arguments))
    assert manifest["metadata"]["namespace"] == "ml"
    assert manifest["spec"]["executor"]["instances"] == 9
    assert manifest["spec"]["executor"]["cores"] == 2
    assert manifest["spec"]["suspend"] is True


def test_nothing_is_abbreviated(capsys):
    text = rendered(capsys, "pytorch", "wide_deep_model", "--params", DAY, "--set", "workers=2")
    assert "&id" not in text
    assert "*id" not in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["spark", "encoded_features", "--params", "{"], "--params is not JSON"),
        (["spark", "encoded_features", "--params", "[]"], "--params must be a JSON object"),
        (["spark", "wide_deep_model", "--params", "{}"], "wide_deep_model is no Spark job"),
        (["pytorch", "encoded_features", "--params", "{}"], "encoded_features is no PyTorch job"),
        (
            ["spark", "encoded_features", "--params", "{}", "--set", "executors"],
            "--set executors: expected field=value",
        ),
        (
            ["spark", "encoded_features", "--params", "{}", "--set", "executor=3"],
            "SparkSettings has no field 'executor'",
        ),
        (["spark", "encoded_features", "--params", "{}", "--set", "a.b=3"], "KubernetesSettings has no field 'a'"),
        (["spark", "encoded_features", "--params", "{}", "--set", "executors={"], "the value is not YAML"),
        (["spark", "encoded_features", "--params", "{}", "--settings", "absent.yaml"], "absent.yaml cannot be read"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments, message, capsys):
    assert main(["render", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert message in captured.err
    assert captured.err.count("\n") == 1
