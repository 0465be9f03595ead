"""The operators' validating webhooks: what they refuse with 403 although the schema allows it."""

import re

from ctr_assets_tests.kubernetes import trainer_webhooks
from ctr_assets_tests.kubernetes.errors import webhook_denied
from ctr_assets_tests.kubernetes.resources import (
    JOB_SETS,
    PYTORCH_JOBS,
    SPARK_APPLICATIONS,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    Json,
    Resource,
)
from ctr_assets_tests.kubernetes.storage import Store

MAX_LABEL = 63
DNS_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
NOT_DNS_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    f"and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '{DNS_1035}')"
)
SPARK_WEBHOOK = "validate-sparkoperator-k8s-io-v1beta2-sparkapplication.sparkoperator.k8s.io"
PYTORCH_WEBHOOK = "validator.pytorchjob.training-operator.kubeflow.org"


def ask_webhooks(resource: Resource, obj: Json, store: Store) -> None:
    """The operators' validating webhooks. Raises 403."""
    if resource == SPARK_APPLICATIONS:
        _ask_spark_webhook(obj)
    elif resource == PYTORCH_JOBS:
        _ask_pytorch_webhook(obj)
    elif resource == TRAIN_JOBS:
        trainer_webhooks.check_train_job(obj, store)
    elif resource == TRAINING_RUNTIMES:
        trainer_webhooks.check_runtime(obj)
    elif resource == JOB_SETS:
        trainer_webhooks.check_job_set(obj)


def _ask_spark_webhook(obj: Json) -> None:
    name, namespace = obj["metadata"]["name"], obj["metadata"]["namespace"]
    if fault := _dns_1035_fault(name):
        raise webhook_denied(SPARK_WEBHOOK, f'invalid SparkApplication name "{name}": {fault}')
    conf_namespace = (obj["spec"].get("sparkConf") or {}).get("spark.kubernetes.namespace", namespace)
    if conf_namespace != namespace:
        message = (
            'sparkConf key "spark.kubernetes.namespace" is not allowed: must equal the application namespace '
            f'"{namespace}", got "{conf_namespace}"'
        )
        raise webhook_denied(SPARK_WEBHOOK, message)


def _ask_pytorch_webhook(obj: Json) -> None:
    name = obj["metadata"]["name"]
    if fault := _dns_1035_fault(name):
        raise webhook_denied(PYTORCH_WEBHOOK, f'metadata.name: Invalid value: "{name}": should match: {fault}')
    for kind, replica in obj["spec"]["pytorchReplicaSpecs"].items():
        path = f"spec.pytorchReplicaSpecs[{kind}]"
        if kind not in ("Master", "Worker"):
            text = f'{path}: Unsupported value: "{kind}": supported values: "Master", "Worker"'
            raise webhook_denied(PYTORCH_WEBHOOK, text)
        containers = replica.get("template", {}).get("spec", {}).get("containers", [])
        if "pytorch" not in [container.get("name") for container in containers]:
            text = "Required value: must have at least one container with name pytorch"
            raise webhook_denied(PYTORCH_WEBHOOK, f"{path}.template.spec.containers: {text}")
        if kind == "Master" and replica.get("replicas", 1) != 1:
            raise webhook_denied(PYTORCH_WEBHOOK, f"{path}.replicas: Forbidden: must be 1")


def _dns_1035_fault(name: str) -> str | None:
    if len(name) > MAX_LABEL:
        return f"must be no more than {MAX_LABEL} characters"
    return None if re.fullmatch(DNS_1035, name) else NOT_DNS_1035
