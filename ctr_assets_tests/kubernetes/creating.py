"""POST of a new object: every check of the body and of the namespace, in the server's order, then the store."""

import random
import uuid
from dataclasses import dataclass, field

from ctr_assets_tests.kubernetes import admission, trainer_webhooks
from ctr_assets_tests.kubernetes.answers import Answer
from ctr_assets_tests.kubernetes.errors import (
    ApiError,
    cause,
    namespace_not_found,
    not_in_the_namespace,
    unsupported_media_type,
)
from ctr_assets_tests.kubernetes.faults import Faults
from ctr_assets_tests.kubernetes.paths import ApiPath, Request
from ctr_assets_tests.kubernetes.resources import PODS, TRAIN_JOBS, Json, Resource
from ctr_assets_tests.kubernetes.storage import Store
from ctr_assets_tests.kubernetes.webhooks import ask_webhooks

BODY_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
NAME_CHARACTERS = "bcdfghjklmnpqrstvwxz2456789"
OF_THE_SERVER = ("creationTimestamp", "deletionTimestamp", "generation", "managedFields", "selfLink")


@dataclass
class Namespace:
    """`quotas`: by plural the name of a quota and how many objects it allows."""

    is_terminating: bool = False
    quotas: dict[str, tuple[str, int]] = field(default_factory=dict)


class Creator:
    """With no `namespaces` every namespace exists."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self.store, self.faults = store, faults
        self.namespaces: dict[str, Namespace] = {}
        self.away: set[str] = set()
        """Components of the controllers that are away, and their webhooks with them."""

    def create(self, resource: Resource, path: ApiPath, request: Request) -> Answer:
        if path.name:
            message = "the server does not allow this method on the requested resource"
            raise ApiError(405, message, "MethodNotAllowed", {})
        if request.content_type != "application/json":
            raise unsupported_media_type(BODY_TYPES)
        obj = request.json()
        admission.check_body(resource, obj, path.namespace, None)
        metadata = obj["metadata"]
        if self.namespaces and path.namespace not in self.namespaces:
            raise namespace_not_found(path.namespace)
        warnings = admission.decode(resource, obj, request.query.get("fieldValidation", "Warn"))
        if metadata.get("resourceVersion"):
            raise admission.no_version_on_create()
        if "name" not in metadata and "generateName" in metadata:
            metadata["name"] = metadata["generateName"] + "".join(random.choices(NAME_CHARACTERS, k=5))
        metadata["uid"] = str(uuid.uuid4())
        for of_the_server in OF_THE_SERVER:
            metadata.pop(of_the_server, None)
        if resource.has_status:
            obj.pop("status", None)
        self.call_webhooks_of(resource)
        warnings += admission.set_defaults(resource, obj)
        admission.validate(resource, obj)
        self.admit(resource, path.namespace, metadata["name"])
        self.faults.raise_denial(path)
        ask_webhooks(resource, obj, self.store)
        dry_run = "dryRun" in request.query
        return Answer(201, json=self.store.create(resource, obj, dry_run), warnings=warnings)

    def call_webhooks_of(self, resource: Resource) -> None:
        """Raises 500 while they are away."""
        if resource == TRAIN_JOBS and trainer_webhooks.COMPONENT in self.away:
            raise trainer_webhooks.away()

    def create_for_controller(self, resource: Resource, obj: Json) -> Json:
        """What a controller makes: defaults and the namespace's admission. Raises 403 and 409."""
        metadata = obj["metadata"]
        obj = {"apiVersion": resource.api_version, "kind": resource.kind} | obj
        admission.set_defaults(resource, obj)
        self.admit(resource, metadata["namespace"], metadata["name"])
        return self.store.create(resource, obj)

    def admit(self, resource: Resource, in_namespace: str, name: str) -> None:
        """The namespace's own admission. Raises 403."""
        namespace = self.namespaces.get(in_namespace, Namespace())
        if namespace.is_terminating:
            why = f"unable to create new content in namespace {in_namespace} because it is being terminated"
            text = f"namespace {in_namespace} is being terminated"
            found = [cause("metadata.namespace", "NamespaceTerminating", text)]
            raise not_in_the_namespace(resource, name, why, found)
        quota, limit = namespace.quotas.get(resource.plural, ("", 0))
        if quota and (used := len(self.store.objects(resource, in_namespace))) >= limit:
            counted = resource.plural if resource == PODS else f"count/{resource.qualified_plural}"
            said = (("requested", 1), ("used", used), ("limited", limit))
            figures = ", ".join(f"{word}: {counted}={number}" for word, number in said)
            raise not_in_the_namespace(resource, name, f"exceeded quota: {quota}, {figures}")
