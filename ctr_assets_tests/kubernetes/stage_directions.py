"""What others did between the recorded exchanges: controllers, kubelets, other clients, a server that was killed.

A direction belongs to a file and to the step before which it happens; those of streams happen while they are open.
"""

import time
from collections.abc import Callable
from typing import Any

from ctr_assets_tests.kubernetes.admission import set_defaults
from ctr_assets_tests.kubernetes.exchanging import NOBODY, NOBODY_TOKEN, Exchanger
from ctr_assets_tests.kubernetes.garbage import DeleteOptions
from ctr_assets_tests.kubernetes.manifests import job
from ctr_assets_tests.kubernetes.resources import (
    CLUSTER_TRAINING_RUNTIMES,
    JOBS,
    PYTORCH_JOBS,
    SPARK_APPLICATIONS,
    TRAIN_JOBS,
    TRAINING_RUNTIMES,
    Json,
    Resource,
)
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.kubernetes.stage_node import QUIET, SHORT_SECONDS, NodeStage
from ctr_assets_tests.kubernetes.timestamps import now
from ctr_assets_tests.kubernetes.train_job_runs import runtimes
from ctr_assets_tests.kubernetes.trainer_webhooks import COMPONENT as TRAINER

NAMESPACES = (QUIET, "ml", "dying", "tight")


class Stage:
    """One fake server under a sequence of recordings."""

    def __init__(self, server: FakeApiServer, exchanger: Exchanger) -> None:
        self.server, self.exchanger = server, exchanger
        self.node = NodeStage(server, exchanger)
        for name in NAMESPACES:
            server.add_namespace(name)
        server.terminate_namespace("dying")
        server.limit("tight", "pods")
        server.limit("tight", "jobs")
        server.users[NOBODY_TOKEN] = NOBODY
        server.forbid("*", "*", NOBODY)
        server.forbid("*", "pods/log", NOBODY)
        self._before: dict[tuple[str, str], Callable[[list[Json]], None]] = {
            ("jobs", "list labelSelector equality"): lambda _: self._create_more_jobs(),
            ("jobs_delete", "delete an object with a finalizer"): lambda _: self._create_held_job(),
            ("sparkapplications", "list labelSelector"): lambda file: self._create_more(SPARK_APPLICATIONS, file),
            ("pytorchjobs", "list labelSelector"): lambda file: self._create_more(PYTORCH_JOBS, file),
            ("trainjobs", "create, suspended"): lambda _: self._create_runtimes(),
            ("trainjobs", "list fieldSelector metadata.name"): lambda file: self._create_train_jobs(file),
            ("pods_logs", "log at once: not scheduled, or container creating"): lambda _: self.node.wait("lg"),
            ("pods_logs", "get pod (Running)"): self.node.run_lg,
            ("pods_logs", "get pod (Succeeded)"): lambda _: self.node.end("lg"),
            ("pods_logs2", "two containers, none named"): self.node.create_more_pods,
            ("pods_logs2", "events of an object: by name, kind, uid"): self.node.put_events,
            ("pods_logs2", "log after the pod is gone"): lambda _: self.node.leave("lg2"),
            ("watches_restart", "list limit=1: a continue token, for the expiry below"): lambda _: self._three_jobs(),
        }

    def before(self, file_name: str, step: str, file: list[Json]) -> None:
        direction = self._before.get((file_name, step))
        if direction is not None:
            direction(file)
        if file_name == "watches_restart":
            self._prepare_restart(step)
        if file_name == "trainjobs" and "down" in step:
            is_away = "JobSet" not in step
            (self.server.api.creator.away.add if is_away else self.server.api.creator.away.discard)(TRAINER)
        if file_name == "watches" and step.startswith("list, for its"):
            self._create("w0")
        if file_name == "watches" and step.startswith("an object with a finalizer"):
            made = self._create("wf", finalizers=["example.org/hold"])
            self.exchanger.names["5900"] = made["metadata"]["resourceVersion"]

    def after(self) -> None:
        """The job controllers have their say about what is suspended."""
        for obj in self.server.store.objects(JOBS):
            types = [one["type"] for one in obj["status"].get("conditions", [])]
            if obj["spec"]["suspend"] and "Suspended" not in types and "deletionTimestamp" not in obj["metadata"]:
                found = {"type": "Suspended", "status": "True", "reason": "JobSuspended", "message": "Job suspended"}
                obj["status"].setdefault("conditions", []).append(found)
                self.server.store.write(JOBS, obj)
        for obj in self.server.store.objects(PYTORCH_JOBS):
            if obj["spec"].get("runPolicy", {}).get("suspend"):
                self._suspend_pytorch_job(obj)

    def during(self, file_name: str, step: str, file: list[Json]) -> Callable[[], None] | None:
        """What happens while a stream is open."""
        if file_name == "watches" and step.startswith(("client watch", "labelSelector run=a")):
            return self._change_w1
        if file_name == "watches" and step.startswith("an object with a finalizer"):
            return self._let_go_of_wf
        if file_name == "watches" and step.startswith("allowWatchBookmarks"):
            return self._change_wj
        if file_name == "pods_logs" and step.startswith("follow to the end"):
            return lambda: self.node.say_the_rest(file)
        if file_name == "pods_logs2" and step == "follow while the pod is deleted":
            return lambda: self.node.end_log("lg2")
        if file_name == "watches_restart" and step.startswith("a watch while the server is killed"):
            return self._kill_server
        if file_name == "watches_restart" and step.startswith("a watch while the server is stopped gracefully"):
            return self._stop_gently
        return None

    # Other clients

    def _put(self, resource: Resource, manifest: Json, **metadata: Any) -> Json:
        obj = manifest | {"metadata": manifest["metadata"] | {"namespace": QUIET} | metadata}
        set_defaults(resource, obj)
        return self.server.store.create(resource, obj)

    def _create_more_jobs(self) -> None:
        first = self.server.store.get(JOBS, QUIET, "h-job")
        for i in (2, 3):
            copied = {key: first[key] for key in ("kind", "apiVersion", "spec")} | {"metadata": {"name": f"h-job{i}"}}
            uid = f"0000000{i}-0000-4000-8000-000000000000"
            text = str(first["metadata"]["uid"])
            spec = _replaced(copied["spec"], {text: uid, "h-job": f"h-job{i}"})
            self._put(JOBS, copied | {"spec": spec}, labels={"app": "h", "part": str(i)}, uid=uid)
        self.after()

    def _create_held_job(self) -> None:
        held = self.server.store.get(JOBS, QUIET, "h-job2" if self._is_there("h-job2") else "h-job")
        uid = "00000009-0000-4000-8000-000000000000"
        labels = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": "h-fin"}
        labels |= {"controller-uid": uid, "job-name": "h-fin"}
        spec = _replaced(held["spec"], {held["metadata"]["uid"]: uid, held["metadata"]["name"]: "h-fin"})
        manifest = {"kind": "Job", "apiVersion": "batch/v1", "metadata": {"name": "h-fin"}, "spec": spec}
        self._put(JOBS, manifest, uid=uid, labels=labels, finalizers=["example.org/hold"])
        self.after()

    def _is_there(self, name: str) -> bool:
        return self.server.store.find(JOBS, QUIET, name) is not None

    def _create_more(self, resource: Resource, file: list[Json]) -> None:
        manifest = file[0]["request"]["body"]
        for i in (2, 3):
            name = f"h-cr{i}"
            self._put(resource, manifest | {"metadata": {"name": name, "labels": {"part": name}}})
        self.after()

    def _create_runtimes(self) -> None:
        for runtime in runtimes():
            of_cluster = runtime["kind"] == CLUSTER_TRAINING_RUNTIMES.kind
            place = "" if of_cluster else runtime["metadata"]["namespace"]
            obj = runtime | {"metadata": runtime["metadata"] | {"namespace": place}}
            self.server.store.create(CLUSTER_TRAINING_RUNTIMES if of_cluster else TRAINING_RUNTIMES, obj)

    def _create_train_jobs(self, file: list[Json]) -> None:
        manifest = next(one for one in file if one["step"] == "create, suspended")["request"]["body"]
        for name in ("h-tj2", "h-tj3"):
            self._put(TRAIN_JOBS, manifest | {"metadata": {"name": name}})

    def _create(self, name: str, **metadata: Any) -> Json:
        spec = {"type": "Python", "sparkVersion": "3.5.9", "mainApplicationFile": "local:///a.py"}
        spec |= {"driver": {}, "executor": {"instances": 1}}  # type: ignore[dict-item]
        kind = {"apiVersion": SPARK_APPLICATIONS.api_version, "kind": SPARK_APPLICATIONS.kind}
        return self._put(SPARK_APPLICATIONS, kind | {"metadata": {"name": name}, "spec": spec}, **metadata)

    def _change_w1(self) -> None:
        def edit(change: Callable[[Json], Any]) -> None:
            time.sleep(0.01)
            self.server.store.edit(SPARK_APPLICATIONS, QUIET, "w1", change)

        running = {"applicationState": {"state": "RUNNING"}, "driverInfo": {}}
        self._create("w1", labels={"run": "a"})
        edit(lambda obj: obj.update(status=running))
        edit(lambda obj: obj["metadata"].update(labels={"run": "b"}))
        edit(lambda obj: obj["metadata"].update(labels={"run": "a"}))
        edit(lambda obj: None)
        self.server.garbage.delete(SPARK_APPLICATIONS, QUIET, "w1", DeleteOptions())

    def _let_go_of_wf(self) -> None:
        self.server.garbage.delete(SPARK_APPLICATIONS, QUIET, "wf", DeleteOptions())
        time.sleep(SHORT_SECONDS)
        self.server.store.edit(SPARK_APPLICATIONS, QUIET, "wf", lambda obj: obj["metadata"].pop("finalizers"))

    def _change_wj(self) -> None:
        self._put(JOBS, job("wj", suspend=True), labels={"app": "h"})
        self.after()
        self.server.store.edit(JOBS, QUIET, "wj", lambda obj: obj["metadata"]["labels"].update(z="1"))

    def _suspend_pytorch_job(self, obj: Json) -> None:
        status = obj.setdefault("status", {})
        conditions = status.setdefault("conditions", [])
        types = [one["type"] for one in conditions]
        if "Suspended" in types or "deletionTimestamp" in obj["metadata"]:
            return
        name = obj["metadata"]["name"]
        for type_, told in (("Created", "created"), ("Suspended", "suspended")):
            if type_ == "Suspended" or not types:
                text = {"message": f"PyTorchJob {name} is {told}.", "reason": f"PyTorchJob{type_}", "status": "True"}
                conditions.append(text | {"type": type_, "lastTransitionTime": now()})
        status.pop("replicaStatuses", None)
        self.server.store.write(PYTORCH_JOBS, obj)

    # A server that is killed

    def _three_jobs(self) -> None:
        for i in (1, 2, 3):
            self._put(JOBS, job(f"r-job{i}", suspend=True), labels={"app": "h"})
        self.after()

    def _annotate(self, name: str, **annotations: str) -> str:
        obj = self.server.store.edit(JOBS, QUIET, name, lambda one: one["metadata"].update(annotations=annotations))
        return str(obj["metadata"]["resourceVersion"])

    def _kill_server(self) -> None:
        self._annotate("r-job2", before="crash")
        time.sleep(SHORT_SECONDS)
        self.server.refuse_connections()

    def _stop_gently(self) -> None:
        time.sleep(SHORT_SECONDS)
        self.server.stop_gracefully(2 * SHORT_SECONDS)
        self._annotate("r-job3", said="to nobody")

    def _prepare_restart(self, step: str) -> None:
        names = self.exchanger.names
        if step.startswith("the same list continued"):
            names["6161"] = [self._annotate("r-job1", x=str(i)) for i in range(6)][-1]
        elif step.startswith("list after the restart"):
            self.server.accept_connections()
        elif step == "list limit=1: a continue token":
            self.server.accept_connections()
            # The recording has new objects of the same names here.
            for name in ("r-job1", "r-job2", "r-job3"):
                self.server.store.remove((JOBS, QUIET, name))
            self._three_jobs()
        elif step.startswith("the list continued after compaction"):
            with self.server.away():
                names["6221"] = str(self.server.store.version)


def _replaced(value: Any, texts: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(below, texts) for key, below in value.items()}
    if isinstance(value, list):
        return [_replaced(one, texts) for one in value]
    return texts.get(value, value) if isinstance(value, str) else value
