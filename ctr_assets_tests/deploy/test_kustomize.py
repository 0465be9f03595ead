"""The kustomizations render, are valid, and give each service account what it does and no more."""

import kubernetes_validate
import pytest
import yaml

from ctr_assets.launch.kubernetes.settings import read_settings
from ctr_assets.launch.kubernetes.train_job import problems_of_runtime
from ctr_assets.serving.__main__ import parser
from ctr_assets.serving.server import GRACE_SECONDS
from ctr_assets_tests.deploy.files import DEPLOY, OVERLAYS, TRAINJOB_OVERLAYS, one, rendered, values
from ctr_assets_tests.kubernetes.crds import violations

READ = {"get", "list", "watch"}
CUSTOM = {"create", "get", "list", "watch", "patch", "delete"}
LAUNCHER = {
    ("sparkoperator.k8s.io", "sparkapplications"): CUSTOM,
    ("sparkoperator.k8s.io", "sparkapplications/status"): {"get"},
    ("kubeflow.org", "pytorchjobs"): CUSTOM,
    ("kubeflow.org", "pytorchjobs/status"): {"get"},
    ("", "pods"): READ,
    ("", "pods/log"): {"get"},
    ("", "events"): READ,
}
TRAINJOB_LAUNCHER = LAUNCHER | {
    ("trainer.kubeflow.org", "trainjobs"): READ | {"create", "delete"},
    ("trainer.kubeflow.org", "trainingruntimes"): {"get"},
    ("jobset.x-k8s.io", "jobsets"): {"get", "list", "delete"},
    ("batch", "jobs"): {"get", "list"},
    ("", "configmaps"): {"get"},
}
RUN_LAUNCHER = {
    ("batch", "jobs"): READ | {"create", "delete"},
    ("batch", "jobs/status"): {"get"},
    ("", "pods"): READ | {"delete"},
    ("", "pods/log"): {"get"},
    ("", "pods/status"): {"get"},
    ("", "events"): READ,
}
DRIVER = {
    ("", resource): READ | {"create", "update", "patch", "delete", "deletecollection"}
    for resource in ("pods", "services", "configmaps", "persistentvolumeclaims")
}


def rights(overlay, service_account):
    """(group, resource) → verbs of everything that is bound to a service account."""
    allowed: dict[tuple[str, str], set[str]] = {}
    for binding in (o for o in rendered(overlay) if o["kind"] == "RoleBinding"):
        names = {(s["kind"], s["name"], s["namespace"]) for s in binding["subjects"]}
        if ("ServiceAccount", service_account, "ctr-assets") not in names:
            continue
        for rule in one(overlay, binding["roleRef"]["kind"], binding["roleRef"]["name"])["rules"]:
            for group in rule["apiGroups"]:
                for resource in rule["resources"]:
                    allowed.setdefault((group, resource), set()).update(rule["verbs"])
    return allowed


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid(overlay):
    objects = rendered(overlay)
    assert len(objects) > 10
    for found in objects:
        kubernetes_validate.validate(found, "1.36", strict=True)


def test_a_misspelt_field_would_be_found():
    broken = {**one("kind", "Service", "postgres"), "specc": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, "1.36", strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize(
    ("service_account", "wanted"),
    [
        ("ctr-run", LAUNCHER),
        ("ctr-dagster", RUN_LAUNCHER),
        ("ctr-spark", DRIVER),
        ("ctr-pytorch", {}),
        ("ctr-serving", {}),
    ],
)
def test_a_service_account_may_do_exactly_what_it_does(overlay, service_account, wanted):
    assert rights(overlay, service_account) == wanted


@pytest.mark.parametrize("overlay", TRAINJOB_OVERLAYS)
def test_where_jobs_are_train_jobs_the_launcher_may_do_that_too_and_no_more(overlay):
    assert rights(overlay, "ctr-run") == TRAINJOB_LAUNCHER
    assert rights(overlay, "ctr-pytorch") == {}


@pytest.mark.parametrize("overlay", TRAINJOB_OVERLAYS)
def test_where_jobs_are_train_jobs_there_is_their_runtime_and_it_fits_the_settings(overlay):
    runtime = one(overlay, "TrainingRuntime", "ctr-pytorch")
    assert violations(runtime) == []
    assert runtime["metadata"]["namespace"] == "ctr-assets"
    base = overlay.removesuffix("-trainjob")
    settings = read_settings(DEPLOY / "kustomize" / "overlays" / base / "settings.yaml")
    assert problems_of_runtime(runtime, settings.cluster) == []
    others = [o for o in rendered(overlay) if o["kind"] != "TrainingRuntime"]
    for found in others:
        kubernetes_validate.validate(found, "1.36", strict=True)
    assert len(others) == len(rendered(base)) + 2


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_right_reaches_beyond_the_namespace(overlay):
    assert not {"ClusterRole", "ClusterRoleBinding"} & {o["kind"] for o in rendered(overlay)}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_is_in_git(overlay):
    assert "Secret" not in {o["kind"] for o in rendered(overlay)}


def test_gke_knows_each_service_account_by_workload_identity():
    accounts = {o["metadata"]["name"]: o for o in rendered("gke") if o["kind"] == "ServiceAccount"}
    identities = {n: a["metadata"]["annotations"]["iam.gke.io/gcp-service-account"] for n, a in accounts.items()}
    assert {name: identity.split("@")[0] for name, identity in identities.items()} == {
        "ctr-dagster": "ctr-dagster",
        "ctr-run": "ctr-run",
        "ctr-spark": "ctr-jobs",
        "ctr-pytorch": "ctr-jobs",
        "ctr-serving": "ctr-serving",
    }


@pytest.mark.parametrize("name", ["ctr-pytorch", "ctr-serving"])
def test_training_and_serving_cannot_talk_to_the_api_server(name):
    assert one("gke", "ServiceAccount", name)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_pod_that_states_no_request_still_fits_the_quota(overlay):
    quota = one(overlay, "ResourceQuota", "ctr-assets")["spec"]["hard"]
    (limit,) = one(overlay, "LimitRange", "ctr-assets")["spec"]["limits"]
    quoted = {name.removeprefix("requests.") for name in quota if name.startswith("requests.")}
    assert quoted - {"nvidia.com/gpu"} == limit["defaultRequest"].keys()


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_what_runs_in_kind_is_not_root_and_drops_every_capability(kind):
    workloads = [o for o in rendered("kind") if o["kind"] == kind]
    assert workloads
    for workload in workloads:
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def container_of(overlay):
    pod = one(overlay, "Deployment", "ctr-serving")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_server_is_told_a_store_and_takes_its_arguments(overlay):
    _, container = container_of(overlay)
    settings = one(overlay, "ConfigMap", container["envFrom"][0]["configMapRef"]["name"])["data"]
    words = [word.replace("$(CTR_STORE_URL)", settings["CTR_STORE_URL"]) for word in container["args"]]
    options = parser().parse_args(words)
    (code_location,) = values("dagster-values.yaml", *(["dagster-values-kind.yaml"] * (overlay == "kind")))[
        "dagster-user-deployments"
    ]["deployments"]
    stores = {entry["value"] for entry in code_location["env"] if entry["name"] == "CTR_STORE_URL"}
    assert {options.store_url} == stores
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": options.http_port, "grpc": options.grpc_port}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_server_is_asked_whether_it_is_ready_and_is_given_time_to_end(overlay):
    pod, container = container_of(overlay)
    assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/v2/health/live", "port": "http"}
    grace = int(container["lifecycle"]["preStop"]["exec"]["command"][1]) + 2 * GRACE_SECONDS  # HTTP, then gRPC
    assert pod["terminationGracePeriodSeconds"] > grace
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp"}


def test_more_servers_start_under_load_on_gke_and_one_small_one_runs_in_kind():
    scaler = one("gke", "HorizontalPodAutoscaler", "ctr-serving")["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ctr-serving"}
    assert one("gke", "Deployment", "ctr-serving")["spec"]["replicas"] == scaler["minReplicas"] == 2
    assert one("kind", "Deployment", "ctr-serving")["spec"]["replicas"] == 1
    assert container_of("kind")[1]["resources"]["requests"] == {"cpu": "50m", "memory": "256Mi"}
    assert not [o for o in rendered("kind") if o["kind"] == "HorizontalPodAutoscaler"]


def test_kserve_runs_the_same_container():
    (service,) = rendered("kserve")
    (container,) = service["spec"]["predictor"]["containers"]
    plain = yaml.safe_load_all((DEPLOY / "kustomize/serving/serving.yaml").read_text())
    (deployment,) = (o for o in plain if o["kind"] == "Deployment")
    (same,) = deployment["spec"]["template"]["spec"]["containers"]
    assert all(container[key] == same[key] for key in ("image", "args", "envFrom", "resources", "securityContext"))
    assert service["spec"]["predictor"]["serviceAccountName"] == "ctr-serving"


def test_a_deployments_service_selects_its_pods():
    for service in (o for o in rendered("kind") if o["kind"] == "Service"):
        pod = one("kind", "Deployment", service["metadata"]["name"])["spec"]["template"]
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
