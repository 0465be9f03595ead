"""A job as a custom resource: create or adopt, record, follow, explain, and on the way out cancel or detach."""

import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import PipesEnvContextInjector, PipesSession, open_pipes_session
from pydantic import Field

from ctr_assets.launch.job import JobDescription, Outcome
from ctr_assets.launch.kubernetes.attempts import free_name, job_key, launches, root_run_id, step_of
from ctr_assets.launch.kubernetes.handle import LaunchHandle, handles, record
from ctr_assets.launch.kubernetes.kinds import Kind
from ctr_assets.launch.kubernetes.names import attempt_of, is_same_owner, labels
from ctr_assets.launch.kubernetes.settings import KubernetesSettings, read_settings
from ctr_assets.launch.launcher import JobFailedError, JobLauncher, Report
from ctr_assets.launch.run_state import RunOfThisWorker, uninterrupted
from ctr_assets.settings import require

if TYPE_CHECKING:
    from ctr_assets.launch.kubernetes.client import ResourceClient
    from ctr_assets.launch.kubernetes.follow import Ending
    from ctr_assets.launch.kubernetes.sweeper import Orphan


@dataclass(frozen=True)
class Relaunch(Outcome):
    """The resource is gone through no fault of the job, which is to be launched again in a fresh one."""

    for_want_of_room: bool = False


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

    def attempt(self, context: dg.AssetExecutionContext, job: JobDescription) -> tuple[Outcome, Report]:
        """Run the job, again in a fresh resource when the cluster takes its pods away or has no room for them."""
        from ctr_assets.launch.kubernetes.room import Room

        run = RunOfThisWorker(context)
        room = Room(self.settings.cluster.quota_limit_seconds, context.log.warning, run.interrupt_unless_own)
        while True:
            run.interrupt_unless_own()
            outcome, report = super().attempt(context, job)
            if not isinstance(outcome, Relaunch):
                return outcome, report
            if outcome.for_want_of_room and not room.wait(outcome.failure or ""):
                return outcome, report

    @contextmanager
    def open_session(self, context: dg.AssetExecutionContext, job: JobDescription) -> Iterator[PipesSession]:
        """The session of the attempt that is to be launched or adopted; its name is the end of the message prefix."""
        from google.cloud.storage import Client

        from ctr_assets.launch.kubernetes.messages import GCSPrefixMessageReader, remove_messages

        gcs = Client()
        *used_up, name = free_name(context, job, self.client(context.log))
        for each in used_up:
            remove_messages(gcs, *self._message_place(each))
        place = self._message_place(name)
        try:
            with open_pipes_session(context, PipesEnvContextInjector(), GCSPrefixMessageReader(gcs, *place)) as session:
                yield session
        finally:
            # Only after the session took everything in, and only when nobody will read it again.
            if any(h.name == name and h.is_over for h in handles(context.instance, context.run)):
                remove_messages(gcs, *place)

    def execute(self, context: dg.AssetExecutionContext, job: JobDescription, session: PipesSession) -> Outcome:
        """Create or adopt the resource, follow it to its end, and leave nothing running unless the run detaches."""
        from kubernetes.client.exceptions import ApiException

        from ctr_assets.launch.kubernetes.failure import explain_loss, explain_refusal
        from ctr_assets.launch.kubernetes.follow import follow
        from ctr_assets.launch.kubernetes.logs import LogFollower
        from ctr_assets.launch.kubernetes.room import Room

        prefix = str(session.message_reader_params["key_prefix"])
        name = prefix.rsplit("/", 1)[-1]
        run = RunOfThisWorker(context)

        def told(problem: str) -> None:
            context.log.warning(problem)
            run.interrupt_unless_own()

        client = replace(self.client(context.log), on_retry=told)
        own = self._labels(context, job, attempt_of(name))
        manifest = self.manifest(job, name, own, session.get_bootstrap_env_vars())
        room = Room(self.settings.cluster.quota_limit_seconds, context.log.warning, run.interrupt_unless_own)
        try:
            resource, created = room.create(client, manifest)
        except ApiException as e:
            return Outcome(explain_refusal(client, name, e))
        found = resource["metadata"]
        if not created and not is_same_owner(found.get("labels") or {}, own):
            return Outcome(f"{self.kind.kind} {client.namespace}/{name} belongs to another run: {found.get('labels')}")
        handle = LaunchHandle(
            kind=self.kind.kind,
            namespace=client.namespace,
            name=name,
            uid=found["uid"],
            step=job_key(context, job),
            attempt=attempt_of(name),
            message_prefix=prefix,
        )
        logs = LogFollower(client, name, sys.stdout)
        logs.start()
        try:
            record(context, handle, f"{'Created' if created else 'Re-attached to'} {self.kind.kind} {name}")
            limit = self.settings.cluster.pending_limit_seconds
            ending = follow(client, name, handle.uid, limit, context.log.warning, run.interrupt_unless_own)
            if not logs.stop():
                context.log.warning(f"The last lines of the log of {name} could not be read")
        except Exception as e:
            logs.stop(timeout_seconds=0)
            self._give_up(context, client, handle.ended("failed"), "the run cannot follow it any more")
            raise JobFailedError(description=f"{job.name} failed: {explain_loss(client, name, e)}") from e
        except BaseException:
            logs.stop(timeout_seconds=0)
            # A cancelled run takes its job with it; a worker that only lost its pod leaves it for the run's retry.
            if run.is_cancelled():
                self._give_up(context, client, handle.ended("failed"), "the run was cancelled")
            raise
        return self._conclude(context, client, job, handle, ending)

    def _conclude(
        self,
        context: dg.AssetExecutionContext,
        client: "ResourceClient",
        job: JobDescription,
        handle: LaunchHandle,
        ending: "Ending",
    ) -> Outcome:
        """What the end of a resource means, and what is to be done with it."""
        lost_before = [before for before in launches(context, job) if before.outcome == "lost"]
        seconds = (ending.seconds or 0.0) + sum(before.seconds for before in lost_before)
        if ending.failure is None:
            return Outcome(seconds=seconds)
        if ending.is_over_quota:
            self._give_up(context, client, handle.ended("refused"), "there is no room for its pods")
            return Relaunch(ending.failure, for_want_of_room=True)
        allowed, lost = self.settings.cluster.lost_attempts, len(lost_before) + 1
        if not ending.lost or lost > allowed:
            why = f"its pods were lost {lost} times" if ending.lost else "it failed by itself, which is final"
            self._give_up(context, client, handle.ended("failed"), why)
            return Outcome(f"{ending.failure}\n{why[0].upper()}{why[1:]}.", leads=ending.leads)
        why = f"the cluster took its pods away ({'; '.join(ending.lost)}), loss {lost} of {allowed} that are made good"
        # Longer than elsewhere: what may still run on a silent node must not run beside its successor.
        patience = float(self.settings.cluster.pending_limit_seconds)
        is_gone = self._give_up(context, client, handle.ended("lost", ending.seconds or 0.0), why, patience)
        return Relaunch(ending.failure) if is_gone else Outcome(f"{ending.failure}\n{why}, but it is not gone yet")

    def _labels(self, context: dg.AssetExecutionContext, job: JobDescription, attempt: int) -> dict[str, str]:
        root, step = root_run_id(context.run), step_of(context)
        return labels(root, context.job_name, step, job.partitions, self.code_location, attempt)

    def _give_up(
        self,
        context: dg.AssetExecutionContext,
        client: "ResourceClient",
        handle: LaunchHandle,
        why: str,
        patience_seconds: float = 90.0,
    ) -> bool:
        """Delete a resource whatever it does now: its other ranks or executors may run on, and cost. Is it gone?

        ``handle`` is the record of its end. The run has a failure of its own to tell, so one to delete is only logged.
        A resource that nobody could be asked to delete stays on record: a retry adopts it, and after the last retry the
        sweeper takes it. That of a run which somebody else has ended is its retry's.
        """
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        from ctr_assets.launch.kubernetes.client import DeletionTimeoutError, brief

        what = f"{handle.kind} {handle.name}"
        with uninterrupted():
            if not RunOfThisWorker(context).is_own():
                context.log.warning(
                    f"{what} is left alone: the run was ended by somebody else, its retry may follow it"
                )
                return False
            is_gone = True
            try:
                client.delete(handle.name, handle.uid, patience_seconds)
            except DeletionTimeoutError as e:
                context.log.error(str(e))
                is_gone = False
            except (ApiException, HTTPError) as e:
                context.log.error(f"{what} could not be deleted ({brief(e)}): it is left to a retry or to the sweeper")
                return False
            record(context, handle, f"Deleted {what}: {why}; the next attempt gets a fresh one")
            return is_gone

    def discard(self, context: dg.AssetExecutionContext, job: JobDescription) -> None:
        """Delete a resource that ended well with a report that is not whole: a retry would find the same report."""
        from google.cloud.storage import Client

        from ctr_assets.launch.kubernetes.messages import remove_messages

        for handle in launches(context, job)[-1:]:
            if not handle.is_over:
                self._give_up(context, self.client(context.log), handle.ended("failed"), "it reported too little")
                remove_messages(Client(), *self._message_place(handle.name))

    def external_job(self, context: dg.AssetExecutionContext, job: JobDescription) -> dg.MetadataValue | None:
        """The newest resource of the job: a link where the settings name a console, else how kubectl names it."""
        launched = launches(context, job)
        if not launched:
            return None
        of, url = launched[-1], self.settings.cluster.job_url
        if url is None:
            return dg.MetadataValue.text(f"{self.kind.plural}/{of.name} -n {of.namespace}")
        link = url.format(namespace=of.namespace, kind=of.kind, plural=self.kind.plural, name=of.name)
        return dg.MetadataValue.url(link)
