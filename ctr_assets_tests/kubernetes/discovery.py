"""The endpoints that are no objects: version, health, and which groups and resources there are."""

from ctr_assets_tests.kubernetes.errors import no_such_resource, page_not_found
from ctr_assets_tests.kubernetes.resources import RESOURCES, Json

BUILT_IN_GROUPS = {"", "batch"}
ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION = {
    "major": "1",
    "minor": "36",
    "emulationMajor": "1",
    "emulationMinor": "36",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "35",
    "gitVersion": "v1.36.2",
    "gitCommit": "8e16b12fda5b1dccc41a6de48b3e356cc7d5048b",
    "gitTreeState": "",
    "buildDate": "1970-01-01T00:00:00Z",
    "goVersion": "go1.27.3",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def discover(path: str) -> Json | str:
    """The answer to a GET of a path that names no object; a text for health. Raises 404, as text or as JSON."""
    parts = path.strip("/").split("/")
    if parts in (["healthz"], ["readyz"], ["livez"]):
        return "ok"
    if parts == ["version"]:
        return VERSION
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if parts == ["apis"]:
        groups = {one.group: one.version for one in RESOURCES if one.group}
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(*item) for item in groups.items()]}
    if parts == ["api", "v1"]:
        return _resources("", "v1")
    if parts[0] == "apis" and len(parts) == 2:
        for one in RESOURCES:
            if one.group == parts[1]:
                return {"kind": "APIGroup", "apiVersion": "v1"} | _group(one.group, one.version)
        raise page_not_found()
    if parts[0] == "apis" and len(parts) == 3:
        if any((one.group, one.version) == (parts[1], parts[2]) for one in RESOURCES):
            return _resources(parts[1], parts[2])
        raise unknown(parts[1])
    raise page_not_found()


def unknown(group: str) -> Exception:
    """The 404 for what a group does not have: JSON from the built-in groups, text from the others."""
    return no_such_resource() if group in BUILT_IN_GROUPS else page_not_found()


def _group(name: str, version: str) -> Json:
    one = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [one], "preferredVersion": one}


def _resources(group: str, version: str) -> Json:
    found: list[Json] = []
    for one in RESOURCES:
        if (one.group, one.version) != (group, version):
            continue
        entry = {"name": one.plural, "singularName": one.kind.lower(), "namespaced": True, "kind": one.kind}
        found.append(entry | {"verbs": ALL_VERBS})
        if one.has_status:
            status = {"name": f"{one.plural}/status", "singularName": "", "namespaced": True, "kind": one.kind}
            found.append(status | {"verbs": ["get", "patch", "update"]})
    api_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api_version, "resources": found}
