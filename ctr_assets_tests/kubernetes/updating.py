"""PUT and PATCH, of an object or of its status: each touches only its own part."""

from ctr_assets_tests.kubernetes import admission, patches, trainer_webhooks
from ctr_assets_tests.kubernetes.answers import Answer
from ctr_assets_tests.kubernetes.creating import Creator
from ctr_assets_tests.kubernetes.errors import ApiError, bad_request, cause, invalid, named, unsupported_media_type
from ctr_assets_tests.kubernetes.garbage import GarbageCollector
from ctr_assets_tests.kubernetes.paths import ApiPath, Request
from ctr_assets_tests.kubernetes.resources import TRAIN_JOBS, Json, Resource
from ctr_assets_tests.kubernetes.schemas import SCHEMAS
from ctr_assets_tests.kubernetes.storage import Store
from ctr_assets_tests.kubernetes.webhooks import ask_webhooks


class Updater:
    """Changes objects of the store. What an update deletes (by its last finalizer) is collected."""

    def __init__(self, store: Store, garbage: GarbageCollector, creator: Creator) -> None:
        self.store, self.garbage, self.creator = store, garbage, creator

    def update(self, resource: Resource, path: ApiPath, request: Request) -> Answer:
        """Raises 400, 404, 409, 415 and 422."""
        with self.store.changed:
            if request.method == "PATCH" and request.content_type == patches.APPLY:
                self._check_apply(resource, path, request)
            present = self.store.get(resource, path.namespace, path.name)
            new = request.json() if request.method == "PUT" else self._patch(resource, present, request)
            admission.check_body(resource, new, path.namespace, path.name)
            new["metadata"].setdefault("name", path.name)
            given = new["metadata"].get("resourceVersion")
            if request.method == "PUT" and resource.is_custom and not given:
                text = "Invalid value: 0: must be specified for an update"
                found = [cause("metadata.resourceVersion", "FieldValueInvalid", text)]
                subject = f'{resource.qualified_plural} "{path.name}"'
                raise invalid(subject, named(resource, path.name, resource.plural), found)
            warnings = admission.decode(resource, new, request.query.get("fieldValidation", "Warn"))
            if path.subresource == "status":
                try:
                    admission.validate_status(resource, new)
                except ApiError as e:
                    e.warnings = warnings
                    raise
                new = {**{key: present[key] for key in present if key != "status"}, "status": new.get("status", {})}
            else:
                new = {key: new[key] for key in new if key != "status" or not resource.has_status}
                if resource.has_status and "status" in present:
                    new["status"] = present["status"]
                self.creator.call_webhooks_of(resource)
                if resource == TRAIN_JOBS:
                    trainer_webhooks.set_defaults(new)
                admission.check_immutable(resource, present, new)
                admission.validate(resource, new)
                if resource == TRAIN_JOBS:
                    ask_webhooks(resource, new, self.store)
            written = self.store.write(resource, new, given, "dryRun" in request.query)
            if self.store.find(resource, path.namespace, path.name) is None:
                self.garbage.collect_leftovers(present["metadata"]["uid"])
        return Answer(json=written, warnings=warnings)

    def _patch(self, resource: Resource, present: Json, request: Request) -> Json:
        accepted = [patches.JSON_PATCH, patches.MERGE, patches.APPLY]
        if not resource.is_custom:
            accepted.insert(2, patches.STRATEGIC)
        if request.content_type not in accepted:
            raise unsupported_media_type(", ".join(accepted))
        new = patches.patched(present, request.json(), request.content_type)
        if resource in SCHEMAS and "status" in new and not isinstance(new["status"], dict):
            raise bad_request("json: cannot unmarshal into Go struct field .status")
        return new

    def _check_apply(self, resource: Resource, path: ApiPath, request: Request) -> None:
        present = self.store.find(resource, path.namespace, path.name)
        if present is None or request.asks("force"):
            return
        conflicts = patches.apply_conflicts(present, request.json())
        if conflicts:
            told = f'conflict with "{request.agent}" using {resource.api_version}'
            causes = [cause(one, "FieldManagerConflict", told) for one in conflicts]
            plural = "s" if len(conflicts) > 1 else ""
            listed = f": {conflicts[0]}" if len(conflicts) == 1 else "s:\n" + "\n".join(f"- {one}" for one in conflicts)
            message = f"Apply failed with {len(conflicts)} conflict{plural}: {told}{listed}"
            raise ApiError(409, message, "Conflict", {"causes": causes})
