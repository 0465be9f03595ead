"""Looking at a resource: at itself and, of a TrainJob, at the Job and the pods below, which say more than it does."""

from dataclasses import dataclass, field
from typing import Any

from kubernetes.client import V1Pod

from ctr_assets.launch.kubernetes.client import ResourceClient
from ctr_assets.launch.kubernetes.kinds import JOB, JOB_SET, JOB_SET_UID, PYTORCH_JOB, TRAIN_JOB
from ctr_assets.launch.kubernetes.state import (
    Observation,
    observe_pytorch_job,
    observe_spark_application,
    observe_train_job,
)


@dataclass
class Witness:
    """Looks at one resource, again and again. ``pods`` are a TrainJob's as they were seen last, by name.

    An evicted pod is gone, and says no more why, when the resource has failed.
    """

    client: ResourceClient
    name: str
    uid: str
    resource: dict[str, Any] = field(default_factory=dict)
    pods: dict[str, V1Pod] = field(default_factory=dict)
    has_child: bool = False
    """Whether its own child was ever seen. Without one it can be Complete by an earlier one's of its name."""

    def look(self) -> Observation | None:
        """What it says now; None when it is gone, or goes although nobody here has deleted it."""
        found = self.client.get(self.name)
        if found is None or found["metadata"]["uid"] != self.uid:
            return None
        self.resource = found
        if self.client.kind is not TRAIN_JOB:
            observe = observe_pytorch_job if self.client.kind is PYTORCH_JOB else observe_spark_application
            return observe(found)
        # Somebody's foreground delete: its controller makes it run again until it is deleted in the background.
        return None if "deletionTimestamp" in found["metadata"] else self._look_below(found)

    def _look_below(self, train_job: dict[str, Any]) -> Observation:
        """Only at what belongs to this very TrainJob: under its name there may be an earlier one's."""
        child = self.client.of(JOB_SET).get(self.name)
        if child is None or self.uid not in [owner["uid"] for owner in child["metadata"].get("ownerReferences", [])]:
            return observe_train_job(train_job)
        self.has_child = True
        uid = child["metadata"]["uid"]
        job = next(iter(self.client.of(JOB).find(f"{JOB_SET_UID}={uid}")), None)
        pods = [pod for pod in self.client.pods(self.name) if (pod.metadata.labels or {}).get(JOB_SET_UID) == uid]
        self.pods |= {pod.metadata.name: pod for pod in pods}
        return observe_train_job(train_job, job, pods)
