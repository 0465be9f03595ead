"""Replays a recorded run onto a custom resource: its states, its pods, its events, and what its pods' logs said."""

from ctr_assets_tests.kubernetes.reconciling import Played
from ctr_assets_tests.kubernetes.recordings import read_side_stream, read_transcript
from ctr_assets_tests.kubernetes.resources import EVENTS, JOB_SETS, JOBS, PODS, SERVICES, Json, Resource
from ctr_assets_tests.kubernetes.storage import key_of

SIDES = {"pods": PODS, "events": EVENTS, "services": SERVICES, "jobs": JOBS, "jobsets": JOB_SETS}


def replay(played: Played, name: str) -> None:
    """Raises GoneError when the resource goes, FileNotFoundError where there is no such transcript."""
    main = read_transcript(name)
    frames: list[tuple[float, Resource | None, Json]] = [(frame["t"], None, frame) for frame in main]
    for kind, resource in SIDES.items():
        frames += [(frame["t"], resource, frame) for frame in read_side_stream(name, kind)]
    logs = [one for one in read_side_stream(name, "actions") if one["type"] == "LOG"]
    frames += [(one["t"], None, one) for one in logs]
    stage = _Stage(played, main[0]["object"]["metadata"])
    clock = 0.0
    for at, side, frame in sorted(frames, key=lambda item: item[0]):
        played.pause(max(0.0, at - clock))
        clock = max(clock, at)
        stage.play(side, frame)


class _Stage:
    """Puts recorded objects under the names and uids of the one in play."""

    def __init__(self, played: Played, recorded: Json) -> None:
        self._played = played
        self._recorded_name, self._recorded_uid = recorded["name"], recorded["uid"]
        self._said: dict[str, str] = {}

    def play(self, resource: Resource | None, frame: Json) -> None:
        if frame["type"] == "LOG":
            self._write_log(frame["object"])
        elif resource is None:
            self._write_status(frame)
        else:
            self._write_side(resource, frame)

    def _write_status(self, frame: Json) -> None:
        obj = frame["object"]
        if obj["metadata"]["uid"] != self._recorded_uid or frame["type"] == "DELETED":
            return  # the client's own deletes, and what it created after them, are not the operator's
        if "status" in obj and "deletionTimestamp" not in obj["metadata"]:
            self._played.set_status(self._renamed(obj["status"]))

    def _write_side(self, resource: Resource, frame: Json) -> None:
        obj = self._renamed(frame["object"])
        obj["metadata"]["namespace"] = self._played.namespace
        store = self._played.server.store
        key = key_of(resource, obj)
        with store.changed:
            present = store.find(*key)
            if frame["type"] == "DELETED":
                store.remove(key)
            elif present is None:
                self._played.present()
                if resource == PODS:
                    obj["spec"].setdefault("nodeName", "node-1")
                store.create(resource, obj)
            elif present["metadata"]["uid"] == obj["metadata"]["uid"]:
                changed = {name: obj[name] for name in obj if name not in ("metadata", "spec")}
                store.write(resource, present | changed)

    def _write_log(self, said: Json) -> None:
        pod = self._played.server.store.find(PODS, self._played.namespace, self._rename_text(said["pod"]))
        if pod is None or said.get("code") != 200 or not said["tail"]:
            return
        container = pod["spec"]["containers"][0]["name"]
        if self._said.get(said["pod"]) != said["tail"]:
            self._said[said["pod"]] = said["tail"]
            self._played.server.logs.of(pod["metadata"]["uid"], container).write(said["tail"].encode())

    def _renamed(self, value: Json) -> Json:
        found = self._rename(value)
        assert isinstance(found, dict)
        return found

    def _rename(self, value: object) -> object:
        if isinstance(value, dict):
            return {key: self._rename(below) for key, below in value.items()}
        if isinstance(value, list):
            return [self._rename(below) for below in value]
        return self._rename_text(value) if isinstance(value, str) else value

    def _rename_text(self, text: str) -> str:
        if text == self._recorded_uid:
            return self._played.uid
        return text.replace(self._recorded_name, self._played.name)
