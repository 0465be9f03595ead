"""The states of a pod with one container that counts, as a kubelet writes them. Functions change a pod in place."""

import hashlib
from typing import Any

from ctr_assets_tests.kubernetes.resources import Json
from ctr_assets_tests.kubernetes.timestamps import now

NODE = "node-1"
NODE_ADDRESS = "10.244.0.1"


def main_container(pod: Json) -> Json:
    """The container that the operators look at: the first one, or the one named as those of PyTorch want it."""
    containers: list[Json] = pod["spec"]["containers"]
    return next((one for one in containers if one["name"] in ("pytorch", "node")), containers[0])


def schedule(pod: Json) -> None:
    pod["spec"]["nodeName"] = NODE
    pod["status"]["conditions"] = [_condition("PodScheduled", True)]


def leave_unschedulable(pod: Json, message: str) -> None:
    unscheduled = _condition("PodScheduled", False, "Unschedulable") | {"message": message}
    pod["status"] |= {"phase": "Pending", "conditions": [unscheduled]}


def wait(pod: Json, reason: str, message: str | None = None) -> None:
    """Pending, with the container waiting: ContainerCreating, PodInitializing, ErrImagePull, ImagePullBackOff."""
    waiting = {"reason": reason} | ({"message": message} if message else {})
    _set(pod, "Pending", {"waiting": waiting}, "ContainersNotReady", is_initialized=reason != "PodInitializing")
    if reason == "PodInitializing" and (initial := pod["spec"].get("initContainers")):
        waiting_for = {"name": initial[0]["name"], "state": {"running": {"startedAt": now()}}, "restartCount": 0}
        waiting_for |= {"image": initial[0]["image"], "imageID": "", "lastState": {}, "ready": False}
        pod["status"]["initContainerStatuses"] = [waiting_for]


def run(pod: Json) -> None:
    _set(pod, "Running", {"running": {"startedAt": now()}}, None)
    for status in pod["status"].get("initContainerStatuses", []):
        done = {"exitCode": 0, "reason": "Completed", "startedAt": now(), "finishedAt": now()}
        status |= {"state": {"terminated": done}, "ready": True}


def end_container(pod: Json, exit_code: int, reason: str, will_restart: bool = False) -> None:
    """The container has ended; the phase is still Running for about a second, or until it is run again."""
    before = container_status(pod)["state"].get("running", {})
    terminated = {"exitCode": exit_code, "reason": reason, "startedAt": before.get("startedAt", now())}
    terminated |= {"finishedAt": now(), "containerID": _container_id(pod)}
    told = "ContainersNotReady" if will_restart else "PodCompleted" if exit_code == 0 else "PodFailed"
    _set(pod, "Running", {"terminated": terminated}, told)


def restart_container(pod: Json) -> None:
    """A new run of the container in its place."""
    status = container_status(pod)
    last, restarts = status["state"], status["restartCount"] + 1
    _set(pod, "Running", {"running": {"startedAt": now()}}, None)
    container_status(pod).update(lastState=last, restartCount=restarts)


def end(pod: Json) -> None:
    """The phase follows the container's exit code."""
    terminated = container_status(pod)["state"]["terminated"]
    pod["status"]["phase"] = "Succeeded" if terminated["exitCode"] == 0 else "Failed"


def end_at_once(pod: Json, exit_code: int, reason: str) -> None:
    end_container(pod, exit_code, reason)
    end(pod)


def lose_container(pod: Json) -> None:
    """A pod that was deleted before its container ever ran."""
    unknown = {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None}
    unknown["message"] = "The container could not be located when the pod was terminated"
    _set(pod, "Failed", {"terminated": unknown}, "ContainersNotReady")


def container_status(pod: Json) -> Json:
    name = main_container(pod)["name"]
    statuses: list[Json] = pod["status"].get("containerStatuses") or []
    return next((one for one in statuses if one["name"] == name), {"state": {}, "restartCount": 0})


def terminated_state(pod: Json) -> Json | None:
    """`state.terminated` of the container that counts, once it has ended."""
    found: Json | None = container_status(pod)["state"].get("terminated")
    return found


def is_running(pod: Json) -> bool:
    return "running" in container_status(pod)["state"]


def _set(pod: Json, phase: str, state: Json, not_ready: str | None, is_initialized: bool = True) -> None:
    before = container_status(pod)
    main = main_container(pod)
    started = "running" in state
    has_run = started or "terminated" in state
    has_sandbox = has_run or state.get("waiting", {}).get("reason") != "ContainerCreating"
    status: Json = pod["status"]
    kept = {key: status[key] for key in ("conditions",) if key in status}
    disrupted = [one for one in kept.get("conditions", []) if one["type"] == "DisruptionTarget"]
    initialized = "PodCompleted" if not_ready == "PodCompleted" else None
    status |= {"phase": phase, "hostIP": NODE_ADDRESS, "hostIPs": [{"ip": NODE_ADDRESS}]}
    status.setdefault("startTime", now())
    status["conditions"] = [
        *disrupted,
        _condition("PodReadyToStartContainers", has_sandbox and not_ready != "PodCompleted"),
        _condition("Initialized", is_initialized, initialized if is_initialized else "ContainersNotInitialized"),
        _condition("Ready", not_ready is None, not_ready),
        _condition("ContainersReady", not_ready is None, not_ready),
        _condition("PodScheduled", True),
    ]
    one: dict[str, Any] = {"name": main["name"], "state": state, "lastState": before.get("lastState", {})}
    one |= {"ready": started, "restartCount": before["restartCount"], "image": main.get("image", ""), "imageID": ""}
    one |= {"started": started} | ({"containerID": _container_id(pod)} if has_run else {})
    status["containerStatuses"] = [one]


def _condition(type_: str, holds: bool, reason: str | None = None) -> Json:
    found = {"type": type_, "status": str(holds), "lastProbeTime": None, "lastTransitionTime": now()}
    return found | ({"reason": reason} if reason else {})


def _container_id(pod: Json) -> str:
    run = f"{pod['metadata']['uid']}{container_status(pod)['restartCount']}"
    return f"containerd://{hashlib.sha256(run.encode()).hexdigest()}"
