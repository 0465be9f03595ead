"""The kustomizations render, are valid, and give each service account what it does and no more."""

import kubernetes_validate
import pytest

from ctr_assets_tests.deploy.files import OVERLAYS, one, rendered

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
    [("ctr-run", LAUNCHER), ("ctr-dagster", RUN_LAUNCHER), ("ctr-spark", DRIVER), ("ctr-pytorch", {})],
)
def test_a_service_account_may_do_exactly_what_it_does(overlay, service_account, wanted):
    assert rights(overlay, service_account) == wanted


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
    }


def test_training_cannot_talk_to_the_api_server():
    assert one("gke", "ServiceAccount", "ctr-pytorch")["automountServiceAccountToken"] is False


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


def test_a_deployments_service_selects_its_pods():
    for service in (o for o in rendered("kind") if o["kind"] == "Service"):
        pod = one("kind", "Deployment", service["metadata"]["name"])["spec"]["template"]
        assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
