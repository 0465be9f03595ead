"""The API server's refusals: a `Status` object with the reason, code, message and details that the real one gives."""

from dataclasses import dataclass, field
from typing import Any

from ctr_assets_tests.kubernetes.resources import Json, Resource

ERROR_IN_OUR_REQUEST = "the server rejected our request due to an error in our request"


@dataclass
class ApiError(Exception):
    """A refusal: HTTP status `code` with a JSON `Status` body, or plain text where `text` is set."""

    code: int
    message: str
    reason: str | None = None
    details: Json | None = None
    metadata: Json = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    warnings: list[str] = field(default_factory=list)

    def body(self) -> Json:
        status: Json = {"kind": "Status", "apiVersion": "v1", "metadata": self.metadata, "status": "Failure"}
        status["message"] = self.message
        if self.reason is not None:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        return status | {"code": self.code}


def success(resource: Resource, name: str, uid: str) -> Json:
    """The answer to a delete that took the object away at once."""
    details = named(resource, name, resource.plural) | {"uid": uid}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def named(resource: Resource, name: str | None, kind: str) -> Json:
    details: Json = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    return details | {"kind": kind}


def not_found(resource: Resource, name: str) -> ApiError:
    message = f'{resource.qualified_plural} "{name}" not found'
    return ApiError(404, message, "NotFound", named(resource, name, resource.plural))


def page_not_found() -> ApiError:
    """An unknown group, or an unknown version or plural of a custom resource's group: text, not JSON."""
    return ApiError(404, "404 page not found", text="404 page not found\n")


def no_such_resource() -> ApiError:
    return ApiError(404, "the server could not find the requested resource", "NotFound", {})


def namespace_not_found(namespace: str) -> ApiError:
    return ApiError(404, f'namespaces "{namespace}" not found', "NotFound", {"name": namespace, "kind": "namespaces"})


def already_exists(resource: Resource, name: str, is_being_deleted: bool) -> ApiError:
    prefix = "object is being deleted: " if is_being_deleted else ""
    message = f'{prefix}{resource.qualified_plural} "{name}" already exists'
    return ApiError(409, message, "AlreadyExists", named(resource, name, resource.plural))


def modified(resource: Resource, name: str) -> ApiError:
    """409 Conflict: the caller's resourceVersion is not the present one."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified_plural} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, message, "Conflict", named(resource, name, resource.plural))


def wrong_uid(resource: Resource, name: str, asked: str, present: str) -> ApiError:
    message = (
        f'Operation cannot be fulfilled on {resource.qualified_kind} "{name}": the UID in the precondition ({asked}) '
        f"does not match the UID in record ({present}). The object might have been deleted and then recreated"
    )
    return ApiError(409, message, "Conflict", named(resource, name, resource.kind))


def cause(field_path: str, reason: str, message: str) -> Json:
    return {"reason": reason, "message": message, "field": field_path}


def invalid(subject: str, details: Json, causes: list[Json]) -> ApiError:
    """422 with its causes; `subject` is e.g. `Job.batch "x"`, details are of `named` or alike."""
    texts = [f"{one['field']}: {one['message']}" for one in causes]
    joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return ApiError(422, f"{subject} is invalid: {joined}", "Invalid", details | {"causes": causes})


def invalid_object(resource: Resource, name: str, causes: list[Json]) -> ApiError:
    return invalid(f'{resource.qualified_kind} "{name}"', named(resource, name, resource.kind), causes)


def bad_request(message: str) -> ApiError:
    return ApiError(400, message, "BadRequest")


def webhook_denied(webhook: str, message: str) -> ApiError:
    return ApiError(403, f'admission webhook "{webhook}" denied the request: {message}', "Forbidden")


def forbidden(user: str, verb: str, path: Any) -> ApiError:
    """403 by RBAC; it goes before 404, so the group and the plural may be unknown ones. `path`: `paths.ApiPath`."""
    plural = f"{path.plural}.{path.group}" if path.group else path.plural
    named_object = f' "{path.name}"' if path.name else ""
    asked = f"{path.plural}/{path.subresource}" if path.subresource else path.plural
    message = (
        f'{plural}{named_object} is forbidden: User "{user}" cannot {verb} resource "{asked}" '
        f'in API group "{path.group}" in the namespace "{path.namespace}"'
    )
    details: Json = ({"name": path.name} if path.name else {}) | ({"group": path.group} if path.group else {})
    return ApiError(403, message, "Forbidden", details | {"kind": path.plural})


def not_in_the_namespace(resource: Resource, name: str, why: str, causes: list[Json] | None = None) -> ApiError:
    """403 of the namespace's own admission: a quota, or a namespace that is being deleted."""
    details = named(resource, name, resource.plural) | ({"causes": causes} if causes else {})
    return ApiError(403, f'{resource.qualified_plural} "{name}" is forbidden: {why}', "Forbidden", details)


def unsupported_media_type(accepted: str) -> ApiError:
    message = f"the body of the request was in an unknown format - accepted media types include: {accepted}"
    return ApiError(415, message, "UnsupportedMediaType")


def expired(message: str, metadata: Json | None = None) -> ApiError:
    return ApiError(410, message, "Expired", metadata=metadata or {})
