"""A job as a custom resource: create or adopt, record, follow, explain, and on the way out cancel or detach."""

import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import DagsterRunStatus, PipesEnvContextInjector, PipesSession, open_pipes_session
from pydantic import Field

from ctr_assets.jobs import DISTRIBUTED_JOBS
from ctr_assets.launch.job import Footprint, JobDescription
from ctr_assets.launch.kubernetes.handle import LaunchHandle, handles, record
from ctr_assets.launch.kubernetes.kinds import PYTORCH_JOB, SPARK_APPLICATION, Kind
from ctr_assets.launch.kubernetes.names import attempt_of, is_same_owner, labels, resource_name
from ctr_assets.launch.kubernetes.settings import (
    KubernetesSettings,
    PyTorchSettings,
    SparkSettings,
    override,
    read_settings,
)
from ctr_assets.launch.launcher import JobFailedError, JobLauncher
from ctr_assets.settings import require

if TYPE_CHECKING:
    from ctr_assets.launch.kubernetes.client import ResourceClient
    from ctr_assets.launch.kubernetes.sweeper import Orphan


class KubernetesLauncher(JobLauncher):
    """Launches jobs as custom resources of one kind. What differs between the kinds is :meth:`manifest`."""

    messages_url: str = Field(description="gs://bucket/prefix under which jobs report")
    settings_file: str = Field(description="YAML file with the parts cluster, spark and pytorch (KubernetesSettings)")
    kubeconfig: str | None = Field(default=None, description="kubeconfig file; the pod's own service account if unset")
    code_location: str = Field(default="ctr_assets", description="Label that tells two code locations apart")

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        require("kubernetes_settings", self.settings_file)
        require("messages_url", self.messages_url)

    @property
    @abstractmethod
    def kind(self) -> Kind:
        """The kind of resource that this launcher creates."""

    @abstractmethod
    def manifest(
        self, job: JobDescription, name: str, labels: Mapping[str, str], environment: Mapping[str, str]
    ) -> dict[str, Any]:
        """The resource to create."""

    @property
    def settings(self) -> KubernetesSettings:
        """The deployment's settings as they are now in the file."""
        return read_settings(self.settings_file)

    def client(self, log: Any = None) -> "ResourceClient":
        """A client of the cluster. Holds no state of a run."""
        # Here and below, not at the top: the code server imports this module and never talks to a cluster.
        from kubernetes import client as kubernetes
        from kubernetes import config as kubernetes_config

        from ctr_assets.launch.kubernetes.client import ResourceClient

        configuration = kubernetes.Configuration()
        if self.kubeconfig:
            kubernetes_config.load_kube_config(self.kubeconfig, client_configuration=configuration)
        else:
            kubernetes_config.load_incluster_config(client_configuration=configuration)
        # The client's own retries know no jitter and hide what happens: ResourceClient has its own.
        configuration.retries = False
        api = kubernetes.ApiClient(configuration)
        on_retry = log.warning if log is not None else lambda _: None
        return ResourceClient(api, self.settings.cluster.namespace, self.kind, on_retry=on_retry)

    def sweep(self, instance: dg.DagsterInstance, now: float | None = None) -> "Iterator[Orphan]":
        """Delete resources of this code location whose runs are over, and what they reported; yields each."""
        from google.cloud.storage import Client

        from ctr_assets.launch.kubernetes.messages import remove_messages
        from ctr_assets.launch.kubernetes.sweeper import find_orphans

        client = self.client()
        for orphan in find_orphans(client, instance, self.code_location, now):
            client.delete(orphan.name, orphan.uid)
            remove_messages(Client(), *self._message_place(orphan.name))
            yield orphan

    def _message_place(self, name: str) -> tuple[str, str]:
        """Bucket and key prefix of the messages of a resource."""
        bucket, _, prefix = self.messages_url.removeprefix("gs://").partition("/")
        return bucket, "/".join(part for part in (prefix.strip("/"), name) if part)

    @contextmanager
    def open_session(self, context: dg.AssetExecutionContext, job: JobDescription) -> Iterator[PipesSession]:
        """The session of the attempt that is to be launched or adopted; its name is the end of the message prefix."""
        from google.cloud.storage import Client

        from ctr_assets.launch.kubernetes.messages import GCSPrefixMessageReader, remove_messages

        gcs, client = Client(), self.client(context.log)
        for name, handle in self._attempts(context, job):
            bucket, key_prefix = self._message_place(name)
            if not _is_used_up(client, name, handle):
                break
            remove_messages(gcs, bucket, key_prefix)
        reader = GCSPrefixMessageReader(gcs, bucket, key_prefix)
        try:
            with open_pipes_session(context, PipesEnvContextInjector(), reader) as session:
                yield session
        finally:
            # Only after the session took everything in, and only when nobody will read it again.
            if self._is_over(context, name):
                remove_messages(gcs, bucket, key_prefix)

    def execute(self, context: dg.AssetExecutionContext, job: JobDescription, session: PipesSession) -> str | None:
        """Create or adopt the resource, follow it to its end, and leave nothing running unless the run detaches."""
        from kubernetes.client.exceptions import ApiException

        from ctr_assets.launch.kubernetes.follow import explain_loss, explain_refusal, follow
        from ctr_assets.launch.kubernetes.logs import LogFollower

        prefix = str(session.message_reader_params["key_prefix"])
        name = prefix.rsplit("/", 1)[-1]
        attempt = attempt_of(name)
        client = self.client(context.log)
        own = labels(
            _root_run_id(context.run), context.job_name, _step(context), job.partitions, self.code_location, attempt
        )
        manifest = self.manifest(job, name, own, session.get_bootstrap_env_vars())
        try:
            resource, created = client.create(manifest)
        except ApiException as e:
            return explain_refusal(client, name, e)
        found = resource["metadata"]
        if not created and not is_same_owner(found.get("labels") or {}, own):
            return f"{self.kind.kind} {client.namespace}/{name} belongs to another run: {found.get('labels')}"
        handle = LaunchHandle(
            kind=self.kind.kind,
            namespace=client.namespace,
            name=name,
            uid=found["uid"],
            step=_job_key(context, job),
            attempt=attempt,
            message_prefix=prefix,
        )
        logs = LogFollower(client, name, sys.stdout)
        logs.start()
        try:
            record(context, handle, f"{'Created' if created else 'Re-attached to'} {self.kind.kind} {name}")
            limit = self.settings.cluster.pending_limit_seconds
            ending = follow(client, name, handle.uid, limit, context.log.warning)
            if not logs.stop():
                context.log.warning(f"The last lines of the log of {name} could not be read")
        except Exception as e:
            logs.stop(timeout_seconds=0)
            self._give_up(context, client, handle, "the run cannot follow it any more")
            raise JobFailedError(description=f"{job.name} failed: {explain_loss(client, name, e)}") from e
        except BaseException:
            logs.stop(timeout_seconds=0)
            # A cancelled run takes its job with it; a worker that only lost its pod leaves it for the run's retry.
            if _is_cancelled(context):
                self._give_up(context, client, handle, "the run was cancelled")
            raise
        if ending.failure is not None:
            self._give_up(context, client, handle, "it failed")
        return ending.failure

    def _give_up(
        self, context: dg.AssetExecutionContext, client: "ResourceClient", handle: LaunchHandle, why: str
    ) -> None:
        """Delete a resource whatever it does now: its other ranks or executors may run on, and cost.

        The run has a failure of its own to tell, so one to delete is only logged. A resource that nobody could be asked
        to delete stays on record: a retry adopts it, and after the last retry the sweeper takes it.
        """
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        from ctr_assets.launch.kubernetes.client import DeletionTimeoutError, brief

        what = f"{handle.kind} {handle.name}"
        try:
            client.delete(handle.name, handle.uid)
        except DeletionTimeoutError as e:
            context.log.error(str(e))
        except (ApiException, HTTPError) as e:
            context.log.error(f"{what} could not be deleted ({brief(e)}): it is left to a retry or to the sweeper")
            return
        record(context, handle.ended(), f"Deleted {what}: {why}; the next attempt gets a fresh one")

    def discard(self, context: dg.AssetExecutionContext, job: JobDescription) -> None:
        """Delete a resource that ended well with a report that is not whole: a retry would find the same report."""
        from google.cloud.storage import Client

        from ctr_assets.launch.kubernetes.messages import remove_messages

        for handle in _launches(context, job)[-1:]:
            if handle.outcome == "launched":
                self._give_up(context, self.client(context.log), handle, "it reported too little")
                remove_messages(Client(), *self._message_place(handle.name))

    def external_job(self, context: dg.AssetExecutionContext, job: JobDescription) -> dg.MetadataValue | None:
        """The newest resource of the job: a link where the settings name a console, else how kubectl names it."""
        launches = _launches(context, job)
        if not launches:
            return None
        of, url = launches[-1], self.settings.cluster.job_url
        if url is None:
            return dg.MetadataValue.text(f"{self.kind.plural}/{of.name} -n {of.namespace}")
        link = url.format(namespace=of.namespace, kind=of.kind, plural=self.kind.plural, name=of.name)
        return dg.MetadataValue.url(link)

    def _attempts(
        self, context: dg.AssetExecutionContext, job: JobDescription
    ) -> Iterator[tuple[str, LaunchHandle | None]]:
        """Names after those that ended badly, here or in a retried run, each with the record of its launch, if any."""
        before = _launches(context, job)
        ended = {handle.attempt for handle in before if handle.outcome == "failed"}
        launched = {handle.attempt: handle for handle in before}
        for attempt in count(max(ended, default=-1) + 1):
            name = resource_name(_root_run_id(context.run), _step(context), job.partitions, attempt)
            yield name, launched.get(attempt)

    def _is_over(self, context: dg.AssetExecutionContext, name: str) -> bool:
        return any(h.name == name and h.outcome == "failed" for h in handles(context.instance, context.run))


class SparkLauncher(KubernetesLauncher):
    """Spark jobs as SparkApplications."""

    @property
    def kind(self) -> Kind:
        return SPARK_APPLICATION

    def manifest(
        self, job: JobDescription, name: str, labels: Mapping[str, str], environment: Mapping[str, str]
    ) -> dict[str, Any]:
        from ctr_assets.launch.kubernetes.spark_application import spark_application

        return spark_application(job, name, labels, environment, self.settings.cluster, self._spark(job))

    def footprint(self, job: JobDescription) -> Footprint:
        spark = self._spark(job)
        executors = spark.max_executors if spark.dynamic_allocation else spark.executors
        return Footprint(cores=spark.driver_cores + executors * spark.executor_cores)

    def _spark(self, job: JobDescription) -> SparkSettings:
        return override(self.settings.spark, job.resources)


class PyTorchLauncher(KubernetesLauncher):
    """PyTorch jobs as PyTorchJobs."""

    @property
    def kind(self) -> Kind:
        return PYTORCH_JOB

    def manifest(
        self, job: JobDescription, name: str, labels: Mapping[str, str], environment: Mapping[str, str]
    ) -> dict[str, Any]:
        from ctr_assets.launch.kubernetes.pytorch_job import pytorch_job

        return pytorch_job(job, name, labels, environment, self.settings.cluster, self._torch(job))

    def footprint(self, job: JobDescription) -> Footprint:
        torch = self._torch(job)
        pods = 1 + (torch.workers if job.name in DISTRIBUTED_JOBS else 0)
        return Footprint(cores=pods * torch.cpu, gpus=pods * torch.gpus)

    def _torch(self, job: JobDescription) -> PyTorchSettings:
        return override(self.settings.pytorch, job.resources)


def _root_run_id(run: dg.DagsterRun) -> str:
    return run.root_run_id or run.run_id


def _step(context: dg.AssetExecutionContext) -> str:
    return str(context.asset_key.path[-1])


def _job_key(context: dg.AssetExecutionContext, job: JobDescription) -> str:
    """What distinguishes the jobs of a run: a step may launch one job a partition."""
    return f"{_step(context)} {' '.join(job.partitions)}".strip()


def _launches(context: dg.AssetExecutionContext, job: JobDescription) -> list[LaunchHandle]:
    """What this run and those that it retries recorded of the job, oldest first."""
    key = _job_key(context, job)
    return [handle for handle in handles(context.instance, context.run) if handle.step == key]


def _is_used_up(client: "ResourceClient", name: str, handle: LaunchHandle | None) -> bool:
    """Whether a name's resource was deleted while nobody followed it, or is being deleted: then its end is waited for.

    The name is not taken again: what the deleted job reported would pass for the new one's report.
    """
    resource = client.get(name)
    if resource is None:
        return handle is not None
    metadata = resource["metadata"]
    if "deletionTimestamp" in metadata:
        client.wait_until_gone(name, metadata["uid"])
        return True
    return handle is not None and metadata["uid"] != handle.uid


def _is_cancelled(context: dg.AssetExecutionContext) -> bool:
    run = context.instance.get_run_by_id(context.run.run_id)
    return run is not None and run.status in (DagsterRunStatus.CANCELING, DagsterRunStatus.CANCELED)
