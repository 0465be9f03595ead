"""The verbs: one request in, one answer out. Knows the store and its rules, but no sockets."""

import copy
from collections.abc import Callable
from typing import Any

from ctr_assets_tests.kubernetes.answers import Answer
from ctr_assets_tests.kubernetes.creating import Creator
from ctr_assets_tests.kubernetes.discovery import discover, unknown
from ctr_assets_tests.kubernetes.errors import ApiError, not_found, success
from ctr_assets_tests.kubernetes.faults import Faults
from ctr_assets_tests.kubernetes.garbage import DeleteOptions, GarbageCollector
from ctr_assets_tests.kubernetes.listing import list_objects, list_of, selection
from ctr_assets_tests.kubernetes.logs import Logs
from ctr_assets_tests.kubernetes.paths import ApiPath, Request, parse_path
from ctr_assets_tests.kubernetes.pod_endpoints import PodEndpoints
from ctr_assets_tests.kubernetes.resources import JOBS, PODS, Json, Resource, find_resource
from ctr_assets_tests.kubernetes.storage import Store, key_of
from ctr_assets_tests.kubernetes.updating import Updater
from ctr_assets_tests.kubernetes.watching import watch

MAX_BODY_BYTES = 3 * 1024 * 1024
ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)
NOT_ACCEPTABLE = (
    "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, "
    "application/vnd.kubernetes.protobuf, application/json;stream=watch, "
    "application/vnd.kubernetes.protobuf;stream=watch"
)


class Api:
    """Answers requests. `is_over` tells streams that the connection's listener is closing."""

    def __init__(self, store: Store, garbage: GarbageCollector, logs: Logs, faults: Faults) -> None:
        self.store, self.garbage, self.faults = store, garbage, faults
        self.creator = Creator(store, faults)
        self.updater = Updater(store, garbage, self.creator)
        self.pods = PodEndpoints(store, garbage, logs, faults)

    def answer(self, request: Request, user: str, is_over: Callable[[], bool]) -> Answer:
        """Raises ApiError for every refusal."""
        path = parse_path(request.path)
        if path is None:
            found = discover(request.path)
            return Answer(text=found.encode()) if isinstance(found, str) else Answer(json=found)
        verb = path.verb(request)
        self.faults.raise_forbidden(user, verb, path)
        resource = find_resource(path.group, path.version, path.plural)
        if resource is None:
            raise unknown(path.group)
        if len(request.body) > MAX_BODY_BYTES:
            message = f"Request entity too large: limit is {MAX_BODY_BYTES}"
            raise ApiError(413, message, "RequestEntityTooLarge")
        accepted = request.headers.get("accept", "*/*")
        if "json" not in accepted and "*/*" not in accepted and path.subresource != "log":
            raise ApiError(406, NOT_ACCEPTABLE, "NotAcceptable", {})
        if path.subresource:
            return self._subresource(resource, path, verb, request, is_over)
        namespace = path.namespace or None
        match verb:
            case "watch":
                return Answer(stream=watch(self.store, resource, namespace, request, is_over))
            case "list":
                return Answer(json=list_objects(self.store, resource, namespace, request))
            case "get":
                return Answer(json=self.store.get(resource, path.namespace, path.name))
            case "create":
                return self.creator.create(resource, path, request)
            case "update" | "patch":
                return self.updater.update(resource, path, request)
            case "delete":
                return self._delete(resource, path, request)
            case _:
                return self._delete_collection(resource, path, request)

    def _subresource(
        self, resource: Resource, path: ApiPath, verb: str, request: Request, is_over: Callable[[], bool]
    ) -> Answer:
        if path.subresource == "status" and resource.has_status:
            if verb == "get":
                return Answer(json=self.store.get(resource, path.namespace, path.name))
            if verb in ("update", "patch"):
                return self.updater.update(resource, path, request)
        if resource == PODS and (path.subresource, verb) == ("log", "get"):
            return self.pods.log(path, request, is_over)
        if resource == PODS and (path.subresource, verb) == ("eviction", "create"):
            return self.pods.evict(path.namespace, path.name)
        raise not_found(resource, path.name)

    def _delete(self, resource: Resource, path: ApiPath, request: Request) -> Answer:
        options = _delete_options(request)
        if "dryRun" in request.query:
            uid = self.store.get(resource, path.namespace, path.name)["metadata"]["uid"]
            return Answer(json=success(resource, path.name, uid))
        warnings = [ORPHANS] if resource == JOBS and options.policy is None else []
        try:
            obj, is_gone = self.garbage.delete(resource, path.namespace, path.name, options)
        except ApiError as e:
            e.warnings = warnings
            raise
        name, uid = obj["metadata"]["name"], obj["metadata"]["uid"]
        return Answer(json=success(resource, name, uid) if is_gone else obj, warnings=warnings)

    def _delete_collection(self, resource: Resource, path: ApiPath, request: Request) -> Answer:
        matches, options = selection(resource, request), _delete_options(request)
        with self.store.changed:
            found = [obj for obj in self.store.objects(resource, path.namespace or None) if matches(obj)]
            metadata: Json = {"resourceVersion": str(self.store.version)}
            if resource.is_custom:
                metadata["continue"] = ""
            for obj in found:
                _, namespace, name = key_of(resource, obj)
                self.garbage.delete(resource, namespace, name, options)
        return Answer(json=list_of(resource, found, metadata))


def _delete_options(request: Request) -> DeleteOptions:
    """From the body or the query; the body goes first."""
    body: Any = request.json()
    asked = copy.deepcopy(body) if isinstance(body, dict) else {}
    grace = asked.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
    conditions = asked.get("preconditions") or {}
    policy = asked.get("propagationPolicy") or request.query.get("propagationPolicy")
    is_orphaning = request.asks("orphanDependents") or asked.get("orphanDependents")
    return DeleteOptions(
        policy or ("Orphan" if is_orphaning else None),
        None if grace is None else int(grace),
        conditions.get("uid"),
        conditions.get("resourceVersion"),
    )
