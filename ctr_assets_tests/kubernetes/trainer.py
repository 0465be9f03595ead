"""Trainer's part: a TrainJob's snapshot of its runtime, its JobSet, and what its status says of that.

It acts on what stands there, as the real one does: it does not look at a TrainJob's deletionTimestamp, and it reads the
JobSet by its name. A TrainJob that is deleted in the foreground therefore runs again and again, and one under the name
of another that has just gone may be Complete without having run.
"""

import json
import time
from typing import Any

from ctr_assets_tests.kubernetes import job_set_controller
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.garbage import DeleteOptions
from ctr_assets_tests.kubernetes.job_templates import job_set_of
from ctr_assets_tests.kubernetes.reconciling import Played
from ctr_assets_tests.kubernetes.resources import (
    CLUSTER_TRAINING_RUNTIMES,
    CONFIG_MAPS,
    JOB_SETS,
    TRAINING_RUNTIMES,
    Json,
)
from ctr_assets_tests.kubernetes.scenarios import UNHEARD_OF
from ctr_assets_tests.kubernetes.timestamps import now
from ctr_assets_tests.kubernetes.trainer_webhooks import MANAGERS
from ctr_assets_tests.kubernetes.webhooks import ask_webhooks

# Seconds as recorded; the speed divides them.
RETRY_SECONDS = 1.0
FAILED = "TrainJob resources reconciliation failed: {why}"
NOT_OURS = (
    "getting runtime snapshot: invalid runtime snapshot: a snapshot configmap exists but is owned by another object"
)
JOB_SET_AWAY = (
    'Internal error occurred: failed calling webhook "mjobset.kb.io": failed to call webhook: connection refused'
)
NETWORK = {"network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True}}
POLICIES = {"startupPolicy": {"startupPolicyOrder": "AnyOrder"}, "successPolicy": {"operator": "All"}}
ENDS = {"Completed": "Complete", "Failed": "Failed"}


class TrainJobPlay:
    """Plays one TrainJob for as long as it is there. `play` raises GoneError."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._started = time.monotonic()
        self._not_before = 0.0

    def play(self) -> None:
        self._begin()
        while True:
            self._reconcile(self._played.present())
            self._played.wait_for_own_change()

    def _begin(self) -> None:
        """What a scenario has happen first."""
        scenario = self._played.scenario
        if scenario.submission_seconds is not None:
            self._played.pause_really(scenario.submission_seconds)
        if scenario.unheard_of_seconds is not None:
            dreams = _condition(UNHEARD_OF, "True", UNHEARD_OF, f"TrainJob is {UNHEARD_OF}")
            self._played.set_status({"conditions": [dreams]})
            self._played.pause_really(scenario.unheard_of_seconds)
            self._played.set_status({"conditions": [dreams | {"status": "False"}]})

    def _reconcile(self, train_job: Json) -> None:
        spec = train_job["spec"]
        if spec["managedBy"] != MANAGERS[0]:
            return
        status = dict(train_job.get("status", {}))
        conditions: list[Json] = list(status.get("conditions", []))
        if self._is_final(conditions):
            self._tell_suspension(conditions, spec)
            return self._write(status, conditions)
        self._try_to_create(train_job)
        self._tell_suspension(conditions, spec)
        if self._is_overdue(spec):
            conditions.append(_condition("Failed", "True", "DeadlineExceeded", "TrainJob exceeded its active deadline"))
            self._write(status, conditions)
            return self._delete_job_set()
        job_set = self._find(JOB_SETS, self._played.name)
        status.pop("jobsStatus", None)
        counts = (job_set or {}).get("status", {}).get("replicatedJobsStatus")
        told = {ENDS[one["type"]]: one for one in _conditions_of(job_set) if one["type"] in ENDS}
        conditions = [one for one in conditions if one["type"] not in ENDS.values() or one["type"] in told]
        present = [one["type"] for one in conditions]
        conditions += [_condition(t, "True", c["reason"], c["message"]) for t, c in told.items() if t not in present]
        return self._write(status | ({"jobsStatus": counts} if counts else {}), conditions)

    def _is_final(self, conditions: list[Json]) -> bool:
        return any(one["type"] == "Complete" or one["reason"] == "DeadlineExceeded" for one in conditions)

    def _is_overdue(self, spec: Json) -> bool:
        limit = spec.get("activeDeadlineSeconds")
        if limit is None or spec.get("suspend"):
            return False
        return time.monotonic() - self._started > limit / self._played.speed

    def _tell_suspension(self, conditions: list[Json], spec: Json) -> None:
        held = next((one for one in conditions if one["type"] == "Suspended"), None)
        is_suspended = bool(spec.get("suspend"))
        if is_suspended is (held is not None and held["status"] == "True"):
            return
        self._started = time.monotonic()
        word = ("Suspended", "TrainJob is suspended") if is_suspended else ("Resumed", "TrainJob is resumed")
        if held is not None:
            conditions.remove(held)
        conditions.append(_condition("Suspended", str(is_suspended), *word))

    def _try_to_create(self, train_job: Json) -> None:
        if time.monotonic() < self._not_before:
            return
        try:
            self._create(train_job)
        except ApiError as e:
            self._not_before = time.monotonic() + RETRY_SECONDS / self._played.speed
            self._played.event_in_series("TrainJobResourcesCreationFailed", FAILED.format(why=e.message))

    def _create(self, train_job: Json) -> None:
        played = self._played
        runtime = self._snapshot(train_job)
        job_set = self._find(JOB_SETS, played.name)
        if job_set is not None:
            is_suspended = {"suspend": bool(train_job["spec"].get("suspend"))}
            if self._is_own(job_set) and job_set["spec"]["suspend"] != is_suspended["suspend"]:
                played.server.store.edit(
                    JOB_SETS, played.namespace, played.name, lambda obj: obj["spec"].update(is_suspended)
                )
            return
        if job_set_controller.COMPONENT in played.away:
            raise ApiError(500, JOB_SET_AWAY)
        made = job_set_of(train_job, runtime)
        metadata = made["metadata"] | {"name": played.name, "namespace": played.namespace}
        obj: Json = {"apiVersion": JOB_SETS.api_version, "kind": "JobSet", "spec": made["spec"] | NETWORK | POLICIES}
        obj["metadata"] = metadata | {"ownerReferences": [played.owner_reference()]}
        ask_webhooks(JOB_SETS, obj, played.server.store)
        played.server.api.creator.create_for_controller(JOB_SETS, obj)

    def _snapshot(self, train_job: Json) -> Json:
        """The runtime as it was at first. Raises ApiError while another's snapshot is there."""
        played = self._played
        name = f"{played.name}-runtime-snapshot"
        found = self._find(CONFIG_MAPS, name)
        if found is None:
            runtime = self._runtime(train_job["spec"]["runtimeRef"])
            metadata = {"name": name, "namespace": played.namespace, "ownerReferences": [played.owner_reference()]}
            data = {"runtime": json.dumps(runtime["spec"])}
            found = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": metadata, "data": data}
            played.server.store.create(CONFIG_MAPS, found)
        if not self._is_own(found):
            raise ApiError(409, NOT_OURS)
        spec: Json = json.loads(found["data"]["runtime"])
        return spec

    def _runtime(self, reference: Json) -> Json:
        if reference.get("kind") == TRAINING_RUNTIMES.kind:
            return self._played.server.store.get(TRAINING_RUNTIMES, self._played.namespace, reference["name"])
        return self._played.server.store.get(CLUSTER_TRAINING_RUNTIMES, "", reference["name"])

    def _find(self, resource: Any, name: str) -> Json | None:
        return self._played.server.store.find(resource, self._played.namespace, name)

    def _is_own(self, obj: Json) -> bool:
        return any(owner["uid"] == self._played.uid for owner in obj["metadata"].get("ownerReferences", []))

    def _delete_job_set(self) -> None:
        if self._find(JOB_SETS, self._played.name) is not None:
            options = DeleteOptions("Background")
            self._played.server.garbage.delete(JOB_SETS, self._played.namespace, self._played.name, options)

    def _write(self, status: Json, conditions: list[Json]) -> None:
        status.pop("conditions", None)
        self._played.set_status(status | ({"conditions": conditions} if conditions else {}))


def _conditions_of(job_set: Json | None) -> list[Json]:
    found: list[Json] = (job_set or {}).get("status", {}).get("conditions", [])
    return [one for one in found if one["status"] == "True"]


def _condition(type_: str, status: str, reason: str, message: str) -> Json:
    told = {"type": type_, "status": status, "reason": reason, "message": message}
    return told | {"lastTransitionTime": now()}
