"""The rules of a pod's log endpoint: which options are refused, which container is meant, what it has to say."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ctr_assets_tests.kubernetes.errors import bad_request, cause, invalid
from ctr_assets_tests.kubernetes.logs import ContainerLog, Logs
from ctr_assets_tests.kubernetes.resources import Json
from ctr_assets_tests.kubernetes.timestamps import parse_nanoseconds

SECOND_NS = 1_000_000_000
IMAGE_REASONS = ("ErrImagePull", "ImagePullBackOff")


@dataclass(frozen=True)
class LogOptions:
    container: str | None
    follow: bool
    previous: bool
    timestamps: bool
    since_ns: int
    tail: int | None
    limit_bytes: int | None


def parse_options(pod: str, query: Mapping[str, str]) -> LogOptions:
    """Raises 400 or 422 as the server does."""
    fault: tuple[str, str, str] | None = None
    since_seconds, tail, limit = (_number(query, name) for name in ("sinceSeconds", "tailLines", "limitBytes"))
    since_ns = 0
    if "sinceTime" in query:
        since_ns = _parse_since(query["sinceTime"])
    if "stream" in query:
        fault = ("stream", "FieldValueForbidden", "Forbidden: may not be specified")
    elif since_seconds is not None and since_ns:
        text = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
        fault = ("[]", "FieldValueForbidden", text)
    elif since_seconds is not None and since_seconds < 1:
        fault = ("sinceSeconds", "FieldValueInvalid", f"Invalid value: {since_seconds}: must be greater than 0")
    elif tail is not None and tail < 0:
        text = f"Invalid value: {tail}: must be greater than or equal to 0"
        fault = ("tailLines", "FieldValueInvalid", text)
    elif limit is not None and limit < 1:
        fault = ("limitBytes", "FieldValueInvalid", f"Invalid value: {limit}: must be greater than 0")
    if fault:
        raise invalid(f'PodLogOptions "{pod}"', {"name": pod, "kind": "PodLogOptions"}, [cause(*fault)])
    if since_seconds is not None:
        since_ns = time.time_ns() - since_seconds * 1_000_000_000
    truth = {name: query.get(name, "").lower() in ("true", "1") for name in ("follow", "previous", "timestamps")}
    return LogOptions(query.get("container"), **truth, since_ns=since_ns, tail=tail, limit_bytes=limit)


def find_log(pod: Json, options: LogOptions, logs: Logs) -> ContainerLog | str | None:
    """The log; None for a pod without a node (204); a text where the runtime has lost it. Raises 400."""
    name, spec, status = pod["metadata"]["name"], pod["spec"], pod.get("status") or {}
    containers = [one["name"] for one in spec.get("containers", [])]
    initial = [one["name"] for one in spec.get("initContainers", [])]
    container = options.container
    if container is None:
        if len(containers) > 1:
            choices = f"[{' '.join(containers)}]"
            raise bad_request(f"a container name must be specified for pod {name}, choose one of: {choices}")
        container = containers[0]
    if container not in containers + initial:
        raise bad_request(f"container {container} is not valid for pod {name}")
    if not spec.get("nodeName"):
        return None
    statuses = [*(status.get("containerStatuses") or []), *(status.get("initContainerStatuses") or [])]
    found = next((one for one in statuses if one["name"] == container), None)
    waiting = (found or {"state": {"waiting": {"reason": "ContainerCreating"}}})["state"].get("waiting")
    uid = pod["metadata"]["uid"]
    if options.previous:
        last = (found or {}).get("lastState", {}).get("terminated")
        if last is None:
            raise bad_request(f'previous terminated container "{container}" in pod "{name}" not found')
        lost = f"unable to retrieve container logs for {last.get('containerID', '')}"
        return logs.previous(uid, container) or lost
    has_run_before = bool((found or {}).get("lastState", {}).get("terminated"))
    if waiting is not None and not has_run_before:
        reason = "image can't be pulled" if waiting["reason"] in IMAGE_REASONS else waiting["reason"]
        raise bad_request(f'container "{container}" in pod "{name}" is waiting to start: {reason}')
    return logs.of(uid, container)


def _number(query: Mapping[str, str], name: str) -> int | None:
    return int(query[name]) if name in query else None


def _parse_since(text: str) -> int:
    """Floored to its second, as the server passes it on to the node: a line of 17.3 comes for a since of 17.9."""
    try:
        return parse_nanoseconds(text) // SECOND_NS * SECOND_NS
    except ValueError as e:
        layout = "2006-01-02T15:04:05Z07:00"
        raise bad_request(f'parsing time "{text}" as "{layout}": cannot parse "{text}" as "2006"') from e
