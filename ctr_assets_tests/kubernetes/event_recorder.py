"""Events as their senders write them: the scheduler's, Trainer's and JobSet's in series, the others' counted."""

import uuid

from ctr_assets_tests.kubernetes.pod_states import NODE, main_container
from ctr_assets_tests.kubernetes.resources import EVENTS, PODS, Json, Resource
from ctr_assets_tests.kubernetes.storage import Store
from ctr_assets_tests.kubernetes.timestamps import now, now_micro

SCHEDULER = "default-scheduler"


class EventRecorder:
    """Writes events about objects into the store. An event that comes again raises its count, or its series."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_operator(self, component: str, resource: Resource, obj: Json, reason: str, message: str) -> None:
        bad = ("Fail", "Error", "Err", "BackOff", "Backoff", "Unsched", "Pending", "Suspend", "Deadline")
        is_bad = any(word in reason for word in bad)
        normal = ("PyTorchJobFailed", "SparkExecutorPending", "Suspended")
        type_ = "Warning" if is_bad and reason not in normal else "Normal"
        source = {"source": {"component": component}, "reportingComponent": component, "reportingInstance": ""}
        self._counted(resource, obj, reason, message, type_, source)

    def of_kubelet(self, pod: Json, reason: str, message: str, type_: str = "Normal") -> None:
        source = {"source": {"component": "kubelet", "host": NODE}}
        source |= {"reportingComponent": "kubelet", "reportingInstance": NODE}  # type: ignore[dict-item]
        where = f"spec.containers{{{main_container(pod)['name']}}}"
        self._counted(PODS, pod, reason, message, type_, source, where)

    def of_scheduler(self, pod: Json, reason: str, message: str) -> None:
        is_bound = reason == "Scheduled"
        event = _event(PODS, pod, reason, message, "Normal" if is_bound else "Warning")
        self._in_series(pod, event, SCHEDULER, "Binding" if is_bound else "Scheduling")

    def of_controller(self, component: str, resource: Resource, obj: Json, reason: str, message: str) -> None:
        """Of Trainer and JobSet, which write as the scheduler does."""
        type_ = "Warning" if "Fail" in reason else "Normal"
        self._in_series(obj, _event(resource, obj, reason, message, type_), component, "Reconciling")

    def _in_series(self, obj: Json, event: Json, component: str, action: str) -> None:
        with self._store.changed:
            found = self._find(obj, event["reason"], event["message"])
            if found is not None:
                series = found.get("series", {"count": 1})
                found["series"] = {"count": series["count"] + 1, "lastObservedTime": now_micro()}
                self._store.write(EVENTS, found)
                return
            event |= {"source": {}, "firstTimestamp": None, "lastTimestamp": None, "eventTime": now_micro()}
            event |= {"action": action, "reportingComponent": component, "reportingInstance": f"{component}-{NODE}"}
            self._store.create(EVENTS, event)

    def _counted(
        self,
        resource: Resource,
        obj: Json,
        reason: str,
        message: str,
        type_: str,
        source: Json,
        field_path: str | None = None,
    ) -> None:
        with self._store.changed:
            found = self._find(obj, reason, message)
            if found is not None:
                found |= {"count": found["count"] + 1, "lastTimestamp": now()}
                self._store.write(EVENTS, found)
                return
            event = _event(resource, obj, reason, message, type_) | source
            event |= {"firstTimestamp": now(), "lastTimestamp": now(), "count": 1, "eventTime": None}
            if field_path:
                event["involvedObject"]["fieldPath"] = field_path
            self._store.create(EVENTS, event)

    def _find(self, obj: Json, reason: str, message: str) -> Json | None:
        for event in self._store.objects(EVENTS, obj["metadata"]["namespace"]):
            about = event["involvedObject"]["uid"]
            if (about, event["reason"], event["message"]) == (obj["metadata"]["uid"], reason, message):
                return event
        return None


def _event(resource: Resource, obj: Json, reason: str, message: str, type_: str) -> Json:
    metadata = obj["metadata"]
    about = {"kind": resource.kind, "namespace": metadata["namespace"], "name": metadata["name"]}
    about |= {"uid": metadata["uid"], "apiVersion": resource.api_version}
    about["resourceVersion"] = metadata.get("resourceVersion", "")
    name = f"{metadata['name']}.{uuid.uuid4().hex[:16]}"
    event: Json = {"kind": "Event", "apiVersion": "v1", "involvedObject": about, "reason": reason, "message": message}
    return event | {"metadata": {"name": name, "namespace": metadata["namespace"]}, "type": type_}
