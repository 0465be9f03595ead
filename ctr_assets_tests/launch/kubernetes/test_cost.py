"""What a job occupies, from the settings and the launchpad's overrides of them; and where its page is."""

import pytest
import yaml

from ctr_assets.launch import Footprint, JobDescription
from ctr_assets.launch.kubernetes.engines import PyTorchLauncher, SparkLauncher
from ctr_assets_tests.launch.scripted import KEY, materialize

SETTINGS = {
    "cluster": {"job_url": "https://console.example/{namespace}/{plural}/{name}?kind={kind}"},
    "spark": {"driver_cores": 1, "executors": 3, "executor_cores": 4},
    "pytorch": {"cpu": 6, "gpus": 2, "processes_per_worker": 2, "workers": 3},
}


@pytest.mark.parametrize(
    ("launcher", "name", "resources", "footprint"),
    [
        (SparkLauncher, "encoded_features", {}, Footprint(13)),
        (SparkLauncher, "encoded_features", {"executors": 1}, Footprint(5)),
        (SparkLauncher, "encoded_features", {"dynamic_allocation": True, "max_executors": 10}, Footprint(41)),
        (PyTorchLauncher, "wide_deep_model", {}, Footprint(24, gpus=8)),
        (PyTorchLauncher, "wide_deep_model", {"workers": 0}, Footprint(6, gpus=2)),
        # Only training shares its work among workers.
        (PyTorchLauncher, "evaluation_metrics", {}, Footprint(6, gpus=2)),
    ],
)
def test_footprint(tmp_path, launcher, name, resources, footprint):
    settings_file = tmp_path / "settings.yaml"
    settings_file.write_text(yaml.safe_dump(SETTINGS))
    bound = launcher(messages_url="gs://bucket/messages", settings_file=str(settings_file))
    assert bound.footprint(JobDescription(name, {}, ("2014-10-21",), resources)) == footprint


def test_a_materialization_links_the_jobs_page(fake, instance):
    launcher = fake.launcher("spark", cluster=SETTINGS["cluster"])
    assert materialize(launcher, instance).success
    (record, *_) = instance.fetch_materializations(KEY, limit=1).records
    link = record.asset_materialization.metadata["external_job"].value
    (resource,) = fake.resources("spark")
    name = resource["metadata"]["name"]
    assert link == f"https://console.example/ctr-assets/sparkapplications/{name}?kind=SparkApplication"
