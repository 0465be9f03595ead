"""The spark-operator's part: a SparkApplication from no status at all to its end, with driver and executor."""

import uuid

from ctr_assets_tests.kubernetes import pod_states
from ctr_assets_tests.kubernetes.commands import process_env, spark_command, spark_env
from ctr_assets_tests.kubernetes.errors import ApiError
from ctr_assets_tests.kubernetes.reconciling import Played, SuspendedError
from ctr_assets_tests.kubernetes.resources import PODS, Json
from ctr_assets_tests.kubernetes.scenarios import UNHEARD_OF
from ctr_assets_tests.kubernetes.timestamps import now
from ctr_assets_tests.kubernetes.workloads import ProcessWorkload, ScriptedWorkload

COMPONENT = "spark-application-controller"
DRIVER, EXECUTOR = "spark-kubernetes-driver", "spark-kubernetes-executor"
# Seconds as recorded; the speed divides them.
SUBMISSION_SECONDS = 6.0
EXECUTOR_SECONDS = 5.6
RERUN_SECONDS = 5.0
POD_EXISTS = "failed to submit spark application: failed to run spark-submit: driver pod already exist"
UNSCHEDULABLE = (
    "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 "
    "Preemption is not helpful for scheduling."
)


class SparkApplicationPlay:
    """Plays one SparkApplication. `play` returns when it has ended and raises GoneError when it is deleted."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._status: Json = {}

    def play(self) -> None:
        while True:
            try:
                self._played.heed_suspension()
                self._play()
                return
            except SuspendedError:
                self._suspend()

    def _play(self) -> None:
        scenario = self._played.scenario
        if scenario.submission_seconds is not None:
            self._played.pause_really(scenario.submission_seconds)
        if scenario.unheard_of_seconds is not None:
            self._set(UNHEARD_OF, driverInfo={})
            self._played.pause_really(scenario.unheard_of_seconds)
        while self._run_once(self._status.get("executionAttempts", 0) + 1):
            self._set("PENDING_RERUN", driverInfo={}, forgets=("sparkApplicationId", "executorState"))
            name = self._played.name
            self._played.event("SparkApplicationPendingRerun", f"SparkApplication {name} is pending rerun")
            self._remove_driver()
            self._played.pause(RERUN_SECONDS)

    def _suspend(self) -> None:
        """Until it is resumed: its pods go, and what they did is lost."""
        name = self._played.name
        self._status = {"driverInfo": {}, "terminationTime": None} | self._status
        self._set("SUSPENDING")
        self._played.event("SparkApplicationSuspending", f"SparkApplication {name} is suspending")
        self._set("SUSPENDED", driverInfo={}, forgets=("sparkApplicationId", "executorState"))
        self._played.event("SparkApplicationSuspended", f"SparkApplication {name} is suspended")
        for pod in self._pods():
            self._played.delete_pod(pod)
        self._played.wait_while(lambda: bool(self._pods()) or self._played.is_suspended())
        self._set("RESUMING")
        self._played.event("SparkApplicationResuming", f"SparkApplication {name} is resuming")

    def _pods(self) -> list[Json]:
        found = self._played.server.store.objects(PODS, self._played.namespace)
        return [
            pod for pod in found if pod["metadata"]["labels"].get("sparkoperator.k8s.io/app-name") == self._played.name
        ]

    def _remove_driver(self) -> None:
        """The next attempt's pod has the same name: this one's log is lost."""
        name = f"{self._played.name}-driver"
        found = self._played.server.store.find(PODS, self._played.namespace, name)
        if found is not None:
            self._played.delete_pod(found)
        while found is not None and self._played.find_pod(found) is not None:
            self._played.wait_for_change()

    def _run_once(self, attempt: int) -> bool:
        """One attempt; whether another one is to follow."""
        driver = self._submit(attempt)
        if driver is None:
            return False
        executor = self._run_driver(driver)
        error = self._end(driver, executor)
        if error is None:
            return False
        policy = self._played.spec.get("restartPolicy", {})
        retries = policy.get("onFailureRetries", 0) if policy.get("type") == "OnFailure" else 0
        self._status["terminationTime"] = now()
        self._set("FAILING", error)
        if attempt <= retries:
            self._status["terminationTime"] = None
            return True
        self._set("FAILED", error)
        return False

    def _submit(self, attempt: int) -> Json | None:
        """The driver's pod, with state SUBMITTED; None where the submission fails."""
        played, scenario = self._played, self._played.scenario
        submitted_at = now()
        played.pause(SUBMISSION_SECONDS)
        name = played.spec.get("driver", {}).get("podName") or f"{played.name}-driver"
        self._status |= {"driverInfo": {"podName": name}, "lastSubmissionAttemptTime": submitted_at}
        self._status |= {"submissionAttempts": attempt, "submissionID": str(uuid.uuid4()), "terminationTime": None}
        application_id = f"spark-{uuid.uuid4().hex}"
        error = scenario.submission_error
        driver = None
        if error is None:
            try:
                driver = self._create_driver(name, application_id)
            except ApiError as e:
                if e.reason != "AlreadyExists":
                    raise
                error = POD_EXISTS
        if driver is None:
            error = str(error).replace("{driver}", name)
            self._set("SUBMISSION_FAILED", error)
            played.event(
                "SparkApplicationSubmissionFailed", f"failed to submit SparkApplication {played.name}: {error}"
            )
            self._status["terminationTime"] = now()
            self._set("FAILED", error)
            return None
        self._status["executionAttempts"] = attempt
        self._set("SUBMITTED")
        played.event("SparkApplicationSubmitted", f"SparkApplication {played.name} was submitted successfully")
        self._status["sparkApplicationId"] = application_id
        ui = {"webUIAddress": "10.96.0.1:4040", "webUIPort": 4040, "webUIServiceName": f"{played.name}-ui-svc"}
        self._set("SUBMITTED", driverInfo={"podName": name} | ui)
        return driver

    def _create_driver(self, name: str, application_id: str) -> Json:
        spec = self._played.spec
        driver_spec = spec.get("driver", {})
        properties = ["driver", "--properties-file", "/opt/spark/conf/spark.properties"]
        arguments = [*properties, "--class", "org.apache.spark.deploy.PythonRunner", spec["mainApplicationFile"]]
        container = {"name": DRIVER, "image": spec.get("image", ""), "args": [*arguments, *spec.get("arguments", [])]}
        container["env"] = list(driver_spec.get("env", []))
        pod_spec: Json = {"containers": [container]}
        if "terminationGracePeriodSeconds" in driver_spec:
            pod_spec["terminationGracePeriodSeconds"] = driver_spec["terminationGracePeriodSeconds"]
        labels = self._labels(application_id) | {"spark-role": "driver"} | driver_spec.get("labels", {})
        return self._played.create_pod(name, labels, pod_spec, [self._played.owner_reference()])

    def _run_driver(self, driver: Json) -> Json | None:
        """Until the driver's container has ended or its pod is gone; returns the executor's pod, if there was one."""
        played = self._played
        if played.scenario.cannot_pull:
            played.kubelet.fail_to_pull(driver)
        elif played.scenario.cannot_schedule:
            played.kubelet.cannot_schedule(driver, UNSCHEDULABLE)
        else:
            env = process_env(spark_env(played.spec))
            workload = played.workload(lambda: ProcessWorkload(spark_command(played.spec), env))
            played.kubelet.run(driver, workload)
        while self._still_runs(driver) and not played.has_run(driver):
            played.wait_for_change()
        if not played.has_run(driver):
            return None
        self._set("RUNNING")
        played.event("SparkDriverRunning", f"Driver {driver['metadata']['name']} is running")
        played.interrupt(driver)
        return self._wait_for_end(driver)

    def _wait_for_end(self, driver: Json) -> Json | None:
        played = self._played
        executor = None
        waiting_until_executor = EXECUTOR_SECONDS / played.speed
        while self._still_runs(driver):
            if executor is None and waiting_until_executor <= 0:
                executor = self._create_executor(driver)
            elif executor is None:
                step = min(0.02, waiting_until_executor)
                played.pause_really(step)
                waiting_until_executor -= step
            else:
                self._note_executor(executor)
                played.wait_for_change()
        return executor

    def _still_runs(self, driver: Json) -> bool:
        pod = self._played.find_pod(driver)
        return pod is not None and pod_states.terminated_state(pod) is None

    def _create_executor(self, driver: Json) -> Json:
        labels = driver["metadata"]["labels"] | {"spark-role": "executor", "spark-exec-id": "1"}
        name = f"{self._played.name}-{uuid.uuid4().hex[:16]}-exec-1"
        owner = {"apiVersion": "v1", "kind": "Pod", "name": driver["metadata"]["name"], "controller": True}
        own_reference = self._played.owner_reference() | {"controller": False}
        owners = [own_reference, owner | {"uid": driver["metadata"]["uid"]}]
        spec = {"containers": [{"name": EXECUTOR, "image": self._played.spec.get("image", "")}]}
        executor = self._played.create_pod(name, labels, spec, owners)
        self._set_executor(executor, "PENDING")
        self._played.kubelet.run(executor, ScriptedWorkload(None, exit_code_on_term=0))
        return executor

    def _note_executor(self, executor: Json) -> None:
        pod = self._played.find_pod(executor)
        name = executor["metadata"]["name"]
        if pod is not None and pod_states.is_running(pod) and self._status["executorState"][name] == "PENDING":
            self._set_executor(executor, "RUNNING")

    def _set_executor(self, executor: Json, state: str) -> None:
        name = executor["metadata"]["name"]
        self._set("RUNNING", executorState={name: state})
        self._played.event(f"SparkExecutor{state.title()}", f"Executor {name} is {state.lower()}")

    def _end(self, driver: Json, executor: Json | None) -> str | None:
        """The application's end as the driver's pod tells it: COMPLETED, or the error message."""
        played = self._played
        terminated = pod_states.terminated_state(played.life_of_pod(driver)[-1])
        if executor is not None and terminated is not None:
            # The driver deletes its executors as it ends.
            played.delete_pod(executor)
            self._set_executor(executor, "COMPLETED" if terminated["exitCode"] == 0 else "FAILED")
        name = driver["metadata"]["name"]
        if terminated is None:
            return "driver pod not found"
        if terminated["exitCode"] == 0:
            self._status["terminationTime"] = now()
            self._set("SUCCEEDING")
            played.event("SparkDriverCompleted", f"Driver {name} completed")
            self._set("COMPLETED")
            return None
        played.event("SparkDriverFailed", f"Driver {name} failed")
        return f"driver container failed with ExitCode: {terminated['exitCode']}, Reason: {terminated['reason']}"

    def _set(self, state: str, error: str | None = None, forgets: tuple[str, ...] = (), **fields: Json) -> None:
        self._status = {key: value for key, value in self._status.items() if key not in forgets} | fields
        told = {"errorMessage": error} if error is not None else {}
        self._status["applicationState"] = told | {"state": state}
        self._played.set_status(dict(self._status))

    def _labels(self, application_id: str) -> dict[str, str]:
        name = self._played.name
        return {
            "spark-app-name": name,
            "spark-app-selector": application_id,
            "spark-version": str(self._played.spec["sparkVersion"]),
            "sparkoperator.k8s.io/app-name": name,
            "sparkoperator.k8s.io/launched-by-spark-operator": "true",
            "sparkoperator.k8s.io/mutated-by-spark-operator": "true",
            "sparkoperator.k8s.io/submission-id": str(self._status["submissionID"]),
        }
