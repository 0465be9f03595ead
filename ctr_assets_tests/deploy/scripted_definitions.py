"""A second code location: the scripted asset on the Kubernetes launcher, to be killed and cancelled at will."""

import os

import dagster as dg

from ctr_assets.defs.retries import forgotten_retries
from ctr_assets_tests.launch.kubernetes.cluster import REPOSITORY, ScriptedSparkLauncher
from ctr_assets_tests.launch.scripted import scripted

defs = dg.Definitions(
    assets=[scripted],
    jobs=[dg.define_asset_job("scripted_job", [scripted])],
    resources={
        "launcher": ScriptedSparkLauncher(
            settings_file=dg.EnvVar("CTR_KUBERNETES_SETTINGS"),
            messages_url=dg.EnvVar("CTR_MESSAGES_URL"),
            kubeconfig=os.environ.get("CTR_KUBECONFIG"),
            code_folder=str(REPOSITORY),
        )
    },
    sensors=[forgotten_retries],
    executor=dg.in_process_executor,
)
