"""`ScriptedOperator`: operators, Job controller and node of the fake cluster, playing a scenario per resource."""

import threading
from collections.abc import Callable
from typing import Self

from ctr_assets_tests.kubernetes.indexed_job import IndexedJobPlay
from ctr_assets_tests.kubernetes.job_controller import COMPONENT as JOB_COMPONENT
from ctr_assets_tests.kubernetes.job_controller import JobPlay
from ctr_assets_tests.kubernetes.job_set_controller import COMPONENT as JOB_SET_COMPONENT
from ctr_assets_tests.kubernetes.job_set_controller import JobSetPlay
from ctr_assets_tests.kubernetes.kubelet import Kubelet
from ctr_assets_tests.kubernetes.reconciling import GoneError, Played
from ctr_assets_tests.kubernetes.replay import replay
from ctr_assets_tests.kubernetes.resources import (
    JOB_SETS,
    JOBS,
    PODS,
    PYTORCH_JOBS,
    SPARK_APPLICATIONS,
    TRAIN_JOBS,
    Json,
    Resource,
)
from ctr_assets_tests.kubernetes.scenarios import Scenario, named_scenario
from ctr_assets_tests.kubernetes.server import FakeApiServer
from ctr_assets_tests.kubernetes.spark_operator import COMPONENT as SPARK_COMPONENT
from ctr_assets_tests.kubernetes.spark_operator import SparkApplicationPlay
from ctr_assets_tests.kubernetes.storage import Change
from ctr_assets_tests.kubernetes.trainer import TrainJobPlay
from ctr_assets_tests.kubernetes.trainer_webhooks import COMPONENT as TRAINER_COMPONENT
from ctr_assets_tests.kubernetes.training_operator import COMPONENT as TRAINING_COMPONENT
from ctr_assets_tests.kubernetes.training_operator import PyTorchJobPlay

# The recorded 4-13 s of a submission become 0.2-0.7 s.
SPEED = 20.0

ChooseScenario = Callable[[Json], str | Scenario]
Play = SparkApplicationPlay | PyTorchJobPlay | TrainJobPlay | JobSetPlay | JobPlay | IndexedJobPlay


def _job_play(played: Played) -> Play:
    return IndexedJobPlay(played) if played.spec["completionMode"] == "Indexed" else JobPlay(played)


# Who plays a new object, and the component that its events name.
PLAYED_BY: dict[Resource, tuple[Callable[[Played], Play], str]] = {
    SPARK_APPLICATIONS: (SparkApplicationPlay, SPARK_COMPONENT),
    PYTORCH_JOBS: (PyTorchJobPlay, TRAINING_COMPONENT),
    TRAIN_JOBS: (TrainJobPlay, TRAINER_COMPONENT),
    JOB_SETS: (JobSetPlay, JOB_SET_COMPONENT),
    JOBS: (_job_play, JOB_COMPONENT),
}


class ScriptedOperator:
    """A context manager. `scenario` says what happens to each new resource or Job: a name, or a function of it.

    At its exit everything that it started is killed and joined, and an error in its threads is raised.
    """

    def __init__(
        self,
        server: FakeApiServer,
        run_processes: bool = True,
        speed: float = SPEED,
        scenario: str | Scenario | ChooseScenario = "run",
    ) -> None:
        """`run_processes=False` puts a script that succeeds in the place of every process."""
        self.server, self.run_processes, self.speed = server, run_processes, speed
        self.scenario = scenario
        self.kubelet = Kubelet(server, speed)
        self.away = server.api.creator.away
        self._played: dict[str, Played] = {}
        self._threads: list[threading.Thread] = []
        self._errors: list[BaseException] = []
        self._is_stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="scripted-operator")

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_stopped.set()
        with self.server.store.changed:
            self.server.store.changed.notify_all()
        self._watcher.join()
        for played in self._played.values():
            played.is_gone.set()
        for thread in self._threads:
            thread.join()
        self.kubelet.close()
        if errors := [*self._errors, *self.kubelet.errors]:
            raise RuntimeError(f"the scripted operator failed {len(errors)} times") from errors[0]

    def has_failed(self) -> bool:
        """Whether an error waits to be raised at the exit."""
        return bool(self._errors)

    def _watch(self) -> None:
        cursor = 0
        while not self._is_stopped.is_set():
            with self.server.store.changed:
                pending = self.server.store.changes_after(cursor)
                if not pending:
                    self.server.store.changed.wait(0.5)
                    continue
            for change in pending:
                cursor = change.version
                try:
                    self._look_at(change)
                except Exception as e:
                    self._fail(e)

    def _look_at(self, change: Change) -> None:
        uid = change.object["metadata"]["uid"]
        is_gone = change.type == "DELETED"
        if change.resource == PODS:
            self.kubelet.look_at(change.object, is_gone)
        elif change.resource in PLAYED_BY:
            played = self._played.get(uid)
            if is_gone or (played is not None and played.is_left_alone(change.object)):
                if played is not None:
                    played.is_gone.set()
            elif played is None and change.type == "ADDED":
                self._begin(change.resource, change.object)

    def _begin(self, resource: Resource, obj: Json) -> None:
        owners = [owner["uid"] for owner in obj["metadata"].get("ownerReferences", [])]
        parent = next((self._played[uid] for uid in owners if uid in self._played), None)
        if owners and parent is None:
            return  # a recording's, of an object that its client made later under the same name
        scenario = self._choose(obj) if parent is None else parent.scenario
        if not self.run_processes and scenario.starts_process:
            # What waits for an accident must live to see it.
            seconds = None if scenario.interruption else 0.1
            scenario = Scenario(**{**vars(scenario), "starts_process": False, "seconds": seconds})
        component = PLAYED_BY[resource][1]
        played = Played(self.server, self.kubelet, resource, obj, scenario, component, self.speed, self.away)
        self._played[played.uid] = played
        if parent is not None and scenario.transcript is not None:
            return  # its states come from the same recording
        self._threads.append(threading.Thread(target=self._play, args=(played,), name=f"play-{played.name}"))
        self._threads[-1].start()

    def _choose(self, obj: Json) -> Scenario:
        chosen = self.scenario(obj) if callable(self.scenario) else self.scenario
        return named_scenario(chosen) if isinstance(chosen, str) else chosen

    def _play(self, played: Played) -> None:
        try:
            if played.scenario.transcript is not None:
                replay(played, played.scenario.transcript)
            else:
                PLAYED_BY[played.resource][0](played).play()
        except GoneError:
            return
        except Exception as e:
            self._fail(e)

    def _fail(self, error: Exception) -> None:
        """Kept for the exit of the context, where a test sees it."""
        self._errors.append(error)
        with self.server.store.changed:
            self.server.store.changed.notify_all()
