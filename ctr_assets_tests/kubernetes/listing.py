"""Lists: selectors, versions, and pages with their continue tokens."""

import base64
import json

from ctr_assets_tests.kubernetes.errors import ApiError, bad_request, expired
from ctr_assets_tests.kubernetes.paths import Request
from ctr_assets_tests.kubernetes.resources import Json, Resource
from ctr_assets_tests.kubernetes.selectors import Matches, parse_field_selector, parse_label_selector
from ctr_assets_tests.kubernetes.storage import Store

PRESENT_STATE = -1
TOKEN_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def selection(resource: Resource, request: Request) -> Matches:
    """Both selectors of a request as one question. Raises 400."""
    by_label = parse_label_selector(request.query.get("labelSelector", ""))
    by_field = parse_field_selector(request.query.get("fieldSelector", ""), resource)
    return lambda obj: by_label(obj) and by_field(obj)


def list_objects(store: Store, resource: Resource, namespace: str | None, request: Request) -> Json:
    """The list object that answers a GET of a collection. Raises 400, 410 and 504."""
    matches = selection(resource, request)
    with store.changed:
        version, start = _asked_version(store, request)
        objects = (
            store.objects(resource, namespace) if version is None else store.objects_at(resource, namespace, version)
        )
        at_version = store.version if version is None else version
    found = [obj for obj in objects if matches(obj) and (start is None or obj["metadata"]["name"] > start)]
    limit = int(request.query.get("limit") or 0)
    page = found[:limit] if limit else found
    metadata: Json = {"resourceVersion": str(at_version)}
    if resource.is_custom:
        metadata["continue"] = ""
    if len(page) < len(found):
        metadata["continue"] = _token(at_version, page[-1]["metadata"]["name"])
        if not {"labelSelector", "fieldSelector"} & set(request.query):
            metadata["remainingItemCount"] = len(found) - len(page)
    return list_of(resource, page, metadata)


def list_of(resource: Resource, objects: list[Json], metadata: Json) -> Json:
    """Items of custom resources carry their kind, those of built-in ones do not."""
    items = objects
    if not resource.is_custom:
        items = [{key: obj[key] for key in obj if key not in ("apiVersion", "kind")} for obj in objects]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata, "items": items}


def _asked_version(store: Store, request: Request) -> tuple[int | None, str | None]:
    """The version to list at (None: the present) and the name to start after."""
    if token := request.query.get("continue"):
        version, start = _read_token(token)
        if version == PRESENT_STATE:
            return None, start
        if version < store.compacted:
            raise expired(TOKEN_TOO_OLD, {"continue": _token(PRESENT_STATE, start)})
        return version, start
    text = request.query.get("resourceVersion") or "0"
    if not text.isdigit():
        fault = f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        raise bad_request(f"invalid resource version: {fault}")
    version = int(text)
    if version > store.version:
        message = f"Timeout: Too large resource version: {version}, current: {store.version}"
        causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
        details = {"causes": causes, "retryAfterSeconds": 1}
        raise ApiError(504, message, "Timeout", details, headers={"Retry-After": "1"})
    if request.query.get("resourceVersionMatch") != "Exact":
        return None, None
    if version < store.compacted:
        raise expired("The resourceVersion for the provided list is too old.")
    return version, None


def _token(version: int, name: str) -> str:
    start = f"{name}\x00" if version == PRESENT_STATE else f"/{name}\x00"
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": version, "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_token(token: str) -> tuple[int, str]:
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        return int(content["rv"]), content["start"].strip("/\x00")
    except (ValueError, KeyError) as e:
        raise bad_request(f"invalid continue token: continue key is not valid: {e}") from e
