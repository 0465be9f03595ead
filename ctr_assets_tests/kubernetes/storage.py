"""The objects, one version counter and the history of changes that watches read. Knows no HTTP and no admission."""

import copy
import threading
import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from ctr_assets_tests.kubernetes.errors import already_exists, modified, not_found
from ctr_assets_tests.kubernetes.resources import Json, Resource
from ctr_assets_tests.kubernetes.timestamps import now

Key = tuple[Resource, str, str]
ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True)
class Change:
    """One write. `previous` is what stood there before, for selectors that an object leaves."""

    version: int
    type: ChangeType
    resource: Resource
    object: Json
    previous: Json | None

    @property
    def key(self) -> Key:
        return key_of(self.resource, self.object)


def key_of(resource: Resource, obj: Json) -> Key:
    return resource, obj["metadata"]["namespace"], obj["metadata"]["name"]


def _without_node(spec: Json | None) -> Json | None:
    """A pod's binding to its node is a write of its own, which leaves the generation alone."""
    return {key: value for key, value in spec.items() if key != "nodeName"} if spec else spec


class Store:
    """Objects by resource, namespace and name. Every method is atomic; hold `changed` to make several so.

    Objects handed out are copies. `changed` is notified at each write.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.version = 1000
        # A watch from before `cache_start`, or a list at a version before `compacted`, is 410 Expired.
        self.cache_start = self.version
        self.compacted = 0
        self._objects: dict[Key, Json] = {}
        self._history: list[Change] = []

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        with self.changed:
            found = self._objects.get((resource, namespace, name))
            if found is None:
                raise not_found(resource, name)
            return copy.deepcopy(found)

    def find(self, resource: Resource, namespace: str, name: str) -> Json | None:
        with self.changed:
            return copy.deepcopy(self._objects.get((resource, namespace, name)))

    def objects(self, resource: Resource, namespace: str | None = None) -> list[Json]:
        """Sorted by namespace and name."""
        with self.changed:
            found = [(key[1:], obj) for key, obj in self._objects.items() if key[0] == resource]
            return [copy.deepcopy(obj) for (ns, _), obj in sorted(found, key=lambda x: x[0]) if namespace in (None, ns)]

    def objects_at(self, resource: Resource, namespace: str | None, version: int) -> list[Json]:
        """The same as it stood at an earlier version."""
        with self.changed:
            then: dict[Key, Json] = {}
            for change in self._history:
                if change.version > version:
                    break
                if change.type == "DELETED":
                    then.pop(change.key, None)
                else:
                    then[change.key] = change.object
            found = [(key[1:], obj) for key, obj in then.items() if key[0] == resource]
            return [copy.deepcopy(obj) for (ns, _), obj in sorted(found, key=lambda x: x[0]) if namespace in (None, ns)]

    def everything(self) -> Iterator[tuple[Resource, Json]]:
        with self.changed:
            found = [(key[0], copy.deepcopy(obj)) for key, obj in self._objects.items()]
        yield from found

    def create(self, resource: Resource, obj: Json, dry_run: bool = False) -> Json:
        """Gives uid, generation, creationTimestamp and a version. Raises 409 AlreadyExists."""
        with self.changed:
            key = key_of(resource, obj)
            present = self._objects.get(key)
            if present is not None:
                raise already_exists(resource, key[2], "deletionTimestamp" in present["metadata"])
            new = copy.deepcopy(obj)
            new["metadata"].setdefault("uid", str(uuid.uuid4()))
            new["metadata"] |= {"creationTimestamp": now()}
            if "spec" in new:
                new["metadata"]["generation"] = 1
            if not dry_run:
                self._put("ADDED", resource, new)
            return copy.deepcopy(new)

    def write(self, resource: Resource, new: Json, version: str | None = None, dry_run: bool = False) -> Json:
        """Put a changed object in the place of the present one. Raises 404, and 409 where `version` is given and stale.

        A write that changes nothing makes no version. The last finalizer's removal from a deleted object removes it.
        """
        with self.changed:
            key = key_of(resource, new)
            present = self._objects.get(key)
            if present is None:
                raise not_found(resource, key[2])
            kept = present["metadata"]
            if version is not None and version != kept["resourceVersion"]:
                raise modified(resource, key[2])
            new = copy.deepcopy(new)
            for field in ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
                new["metadata"].pop(field, None)
                if field in kept:
                    new["metadata"][field] = kept[field]
            new["metadata"]["resourceVersion"] = kept["resourceVersion"]
            if not new["metadata"].get("finalizers"):
                new["metadata"].pop("finalizers", None)
            if new == present or dry_run:
                return new
            if _without_node(new.get("spec")) != _without_node(present.get("spec")):
                new["metadata"]["generation"] += 1
            if "deletionTimestamp" in kept and kept.get("finalizers") and "finalizers" not in new["metadata"]:
                self.remove(key)
                return copy.deepcopy(new)
            self._put("MODIFIED", resource, new)
            return copy.deepcopy(new)

    def edit(self, resource: Resource, namespace: str, name: str, change: Callable[[Json], None]) -> Json:
        """Read, change, write. Raises 404."""
        with self.changed:
            obj = self.get(resource, namespace, name)
            change(obj)
            return self.write(resource, obj)

    def mark_deleted(self, key: Key, metadata: Json, raises_generation: bool = True) -> Json:
        """Set the metadata of a deletion, which `write` does not let anybody touch."""
        with self.changed:
            obj = copy.deepcopy(self._objects[key])
            obj["metadata"] |= metadata
            if raises_generation and "generation" in obj["metadata"]:
                obj["metadata"]["generation"] += 1
            self._put("MODIFIED", key[0], obj)
            return copy.deepcopy(obj)

    def remove(self, key: Key) -> None:
        """Take an object away at once; no-op where it is gone."""
        with self.changed:
            obj = self._objects.pop(key, None)
            if obj is None:
                return
            self.version += 1
            last = copy.deepcopy(obj)
            last["metadata"]["resourceVersion"] = str(self.version)
            self._history.append(Change(self.version, "DELETED", key[0], last, obj))
            self.changed.notify_all()

    def changes_after(self, version: int) -> list[Change]:
        """Later changes, oldest first. They are shared: do not write to them."""
        with self.changed:
            return self._history[bisect_right(self._history, version, key=lambda change: change.version) :]

    def forget_history(self) -> None:
        """As after compaction and a restart: every version that a client has seen so far is too old."""
        with self.changed:
            self.version += 1
            self.cache_start = self.compacted = self.version
            self.changed.notify_all()

    def _put(self, type_: ChangeType, resource: Resource, obj: Json) -> None:
        key = key_of(resource, obj)
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        self._history.append(Change(self.version, type_, resource, copy.deepcopy(obj), self._objects.get(key)))
        self._objects[key] = copy.deepcopy(obj)
        self.changed.notify_all()
