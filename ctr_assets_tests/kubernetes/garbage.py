"""Deletion: preconditions, the three propagation policies, owner references and the grace period of pods."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ctr_assets_tests.kubernetes.errors import modified, wrong_uid
from ctr_assets_tests.kubernetes.resources import JOBS, PODS, TRAIN_JOBS, Json, Resource
from ctr_assets_tests.kubernetes.storage import Key, Store, key_of
from ctr_assets_tests.kubernetes.timestamps import now

DEFAULT_GRACE_SECONDS = 30
FINISHED_PHASES = ("Succeeded", "Failed")
COLLECTED_LATER = (TRAIN_JOBS,)
COLLECT_SECONDS = 0.2
"""How long what these owned stays: recorded are 0.05 to 0.3 s, in which Trainer acts on what stands there."""
GARBAGE_FINALIZERS = ("foregroundDeletion", "orphan")


@dataclass(frozen=True)
class DeleteOptions:
    policy: str | None = None
    grace_seconds: int | None = None
    uid: str | None = None
    version: str | None = None


class GarbageCollector:
    """Deletes objects of a store, and whatever they own. Works at once, within the call, but for COLLECTED_LATER.

    A running pod stays until its kubelet, which `claims` it, calls `pod_ended`, or until its grace is over.
    `grace_scale` shortens that waiting; what the objects say of it stays as the client asked.
    """

    def __init__(self, store: Store, grace_scale: float) -> None:
        self.store = store
        self.grace_scale = grace_scale
        self.collect_seconds = COLLECT_SECONDS
        self.claimed: set[str] = set()
        self._deadlines: dict[str, tuple[float, Key]] = {}
        self._due: list[tuple[float, Callable[[], None]]] = []

    def delete(self, resource: Resource, namespace: str, name: str, options: DeleteOptions) -> tuple[Json, bool]:
        """The object as the answer shows it, and whether it is gone. Raises 404, and 409 for a failed precondition."""
        with self.store.changed:
            obj = self.store.get(resource, namespace, name)
            metadata = obj["metadata"]
            if options.uid is not None and options.uid != metadata["uid"]:
                raise wrong_uid(resource, name, options.uid, metadata["uid"])
            if options.version is not None and options.version != metadata["resourceVersion"]:
                raise modified(resource, name)
            key = key_of(resource, obj)
            if resource == PODS:
                return self._delete_pod(key, obj, options.grace_seconds), False
            policy = options.policy or ("Orphan" if resource == JOBS else "Background")
            if policy in ("Foreground", "Orphan"):
                return self._delete_with_finalizer(key, obj, policy), False
            if held := metadata.get("finalizers"):
                # This delete takes the place of an earlier one with another policy.
                metadata["finalizers"] = [one for one in held if one not in GARBAGE_FINALIZERS]
                obj = self.store.write(resource, obj)
                if metadata["finalizers"] != held and not metadata["finalizers"]:
                    self._collect_later(resource, metadata["uid"])
                    return obj, True
            if metadata.get("finalizers"):
                return self._mark(key, obj, []), False
            self._remove(key, metadata["uid"])
            return obj, True

    def pod_ended(self, key: Key, uid: str) -> None:
        """The pod's containers are gone: if it was being deleted, it goes too."""
        with self.store.changed:
            self.claimed.discard(uid)
            pod = self.store.find(*key)
            if pod is not None and pod["metadata"]["uid"] == uid and "deletionTimestamp" in pod["metadata"]:
                ended = {"deletionTimestamp": now(), "deletionGracePeriodSeconds": 0}
                self.store.mark_deleted(key, ended, raises_generation=False)
                self._remove(key, uid)

    def collect_leftovers(self, uid: str) -> None:
        """What an object owned that went without `delete` (its last finalizer was taken away)."""
        with self.store.changed:
            self._collect(uid)

    def do_what_is_due(self) -> float | None:
        """Collect what waits for it, and remove the pods whose grace is over and that no kubelet holds.

        The moment of the next such thing, if there is any.
        """
        with self.store.changed:
            due = [act for moment, act in self._due if moment <= time.monotonic()]
            self._due = [one for one in self._due if one[1] not in due]
            for act in due:
                act()
            for uid, (deadline, key) in list(self._deadlines.items()):
                pod = self.store.find(*key)
                if pod is None or pod["metadata"]["uid"] != uid or uid in self.claimed:
                    del self._deadlines[uid]
                elif deadline <= time.monotonic():
                    del self._deadlines[uid]
                    self.pod_ended(key, uid)
            moments = [moment for moment, _ in [*self._deadlines.values(), *self._due]]
            return min(moments, default=None)

    def _delete_pod(self, key: Key, pod: Json, grace_seconds: int | None) -> Json:
        grace = grace_seconds
        if grace is None:
            grace = pod["spec"].get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
        is_finished = (pod.get("status") or {}).get("phase") in FINISHED_PHASES
        if not pod["spec"].get("nodeName") or is_finished:
            grace = 0
        uid = pod["metadata"]["uid"]
        if "deletionTimestamp" in pod["metadata"] and grace > 0:
            return pod
        marks = {"deletionTimestamp": now(grace), "deletionGracePeriodSeconds": grace}
        answer = self.store.mark_deleted(key, marks, raises_generation="deletionTimestamp" not in pod["metadata"])
        if grace == 0:
            self._remove(key, uid)
        else:
            self._deadlines[uid] = (time.monotonic() + grace * self.grace_scale, key)
        return answer

    def _delete_with_finalizer(self, key: Key, obj: Json, policy: str) -> Json:
        finalizer = "foregroundDeletion" if policy == "Foreground" else "orphan"
        if finalizer in obj["metadata"].get("finalizers", []):
            return obj
        answer = self._mark(key, obj, [finalizer])
        uid = obj["metadata"]["uid"]
        dependents = self._dependents(uid)
        if policy == "Orphan":
            for resource, dependent in dependents:
                self._drop_owner(resource, dependent, uid)
        else:
            self._delete_foreground(dependents)
        self._do(partial(self._finish, key, finalizer), is_later=key[0] in COLLECTED_LATER)
        return answer

    def _delete_foreground(self, dependents: list[tuple[Resource, Json]]) -> None:
        for resource, dependent in dependents:
            if "deletionTimestamp" not in dependent["metadata"]:
                _, namespace, name = key_of(resource, dependent)
                self.delete(resource, namespace, name, DeleteOptions("Foreground" if resource != PODS else None))

    def _mark(self, key: Key, obj: Json, finalizers: list[str]) -> Json:
        if "deletionTimestamp" in obj["metadata"] and not finalizers:
            return obj
        marks = {"deletionTimestamp": obj["metadata"].get("deletionTimestamp", now()), "deletionGracePeriodSeconds": 0}
        if finalizers:
            marks["finalizers"] = [*obj["metadata"].get("finalizers", []), *finalizers]
        return self.store.mark_deleted(key, marks, raises_generation="deletionTimestamp" not in obj["metadata"])

    def _finish(self, key: Key, finalizer: str) -> None:
        """Remove an object whose finalizer has nothing left to wait for."""
        obj = self.store.find(*key)
        if obj is None or finalizer not in obj["metadata"].get("finalizers", []):
            return
        if finalizer == "foregroundDeletion" and (dependents := self._dependents(obj["metadata"]["uid"])):
            if key[0] in COLLECTED_LATER:
                self._delete_foreground(dependents)
            return
        if obj["metadata"]["finalizers"] == [finalizer]:
            self._remove(key, obj["metadata"]["uid"])
            return
        obj["metadata"]["finalizers"].remove(finalizer)
        self.store.write(key[0], obj)

    def _remove(self, key: Key, uid: str) -> None:
        owners = (self.store.find(*key) or {"metadata": {}})["metadata"].get("ownerReferences", [])
        self.store.remove(key)
        self._collect_later(key[0], uid)
        for owner in owners:
            for resource, obj in self.store.everything():
                if obj["metadata"]["uid"] == owner["uid"]:
                    finish = partial(self._finish, key_of(resource, obj), "foregroundDeletion")
                    self._do(finish, is_later=resource in COLLECTED_LATER)

    def _collect_later(self, owner: Resource, uid: str) -> None:
        self._do(partial(self._collect, uid), is_later=owner in COLLECTED_LATER)

    def _do(self, act: Callable[[], None], is_later: bool) -> None:
        if is_later:
            self._due.append((time.monotonic() + self.collect_seconds, act))
        else:
            act()

    def _collect(self, uid: str) -> None:
        """Background collection of what an object that is gone owned; other owners keep a dependent alive."""
        for resource, dependent in self._dependents(uid):
            if len(dependent["metadata"]["ownerReferences"]) > 1:
                self._drop_owner(resource, dependent, uid)
            elif "deletionTimestamp" not in dependent["metadata"]:
                _, namespace, name = key_of(resource, dependent)
                self.delete(resource, namespace, name, DeleteOptions("Background"))

    def _dependents(self, uid: str) -> list[tuple[Resource, Json]]:
        return [
            (resource, obj)
            for resource, obj in self.store.everything()
            if any(owner["uid"] == uid for owner in obj["metadata"].get("ownerReferences", []))
        ]

    def _drop_owner(self, resource: Resource, dependent: Json, uid: str) -> None:
        others = [owner for owner in dependent["metadata"]["ownerReferences"] if owner["uid"] != uid]
        metadata: dict[str, Any] = dependent["metadata"]
        if others:
            metadata["ownerReferences"] = others
        else:
            del metadata["ownerReferences"]
        self.store.write(resource, dependent)
