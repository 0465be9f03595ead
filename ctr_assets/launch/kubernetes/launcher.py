"""A job as a custom resource: create or adopt, record, follow, explain, and on the way out cancel or detach."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dagster as dg
from dagster import PipesEnvContextInjector, PipesSession, open_pipes_session
from pydantic import Field

from ctr_assets.launch.job import JobDescription, Outcome
from ctr_assets.launch.kubernetes.attempts import Relaunch, free_name, job_key, launches, root_run_id, step_of
from ctr_assets.launch.kubernetes.handle import LaunchHandle, handles
from ctr_assets.launch.kubernetes.kinds import Kind
from ctr_assets.launch.kubernetes.names import attempt_of, is_same_owner, labels
from ctr_assets.launch.kubernetes.settings import KubernetesSettings, read_settings
from ctr_assets.launch.launcher import JobLauncher, Report
from ctr_assets.launch.run_state import RunOfThisWorker
from ctr_assets.settings import require

if TYPE_CHECKING:
    from ctr_assets.launch.kubernetes.client import ResourceClient
    from ctr_assets.launch.kubernetes.launched import Launched
    from ctr_assets.launch.kubernetes.room import Room
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

    def obstacle(self, client: "ResourceClient") -> str | None:
        """What on the cluster is in the way of a launch, and what to do about it."""
        return None

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
        run = RunOfThisWorker(context)
        room = self._room(context, run)
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
        *used_up, name = free_name(context, job, self._client_of(context, RunOfThisWorker(context)))
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

        from ctr_assets.launch.kubernetes.failure import explain_refusal

        prefix = str(session.message_reader_params["key_prefix"])
        name = prefix.rsplit("/", 1)[-1]
        run = RunOfThisWorker(context)
        client = self._client_of(context, run)
        if obstacle := self.obstacle(client):
            return Outcome(obstacle)
        own = self._labels(context, job, attempt_of(name))
        manifest = self.manifest(job, name, own, session.get_bootstrap_env_vars())
        try:
            resource, created = self._room(context, run).create(client, manifest)
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
        launched = self._launched(context, run, client, handle)
        ending = launched.follow(job.name, f"{'Created' if created else 'Re-attached to'} {self.kind.kind} {name}")
        return launched.conclude(ending, launches(context, job))

    def _client_of(self, context: dg.AssetExecutionContext, run: RunOfThisWorker) -> "ResourceClient":
        """A client that tells the run of an API server that is away, and stops asking when the run is over."""

        def told(problem: str) -> None:
            context.log.warning(problem)
            run.interrupt_unless_own()

        return replace(self.client(context.log), on_retry=told)

    def _room(self, context: dg.AssetExecutionContext, run: RunOfThisWorker) -> "Room":
        from ctr_assets.launch.kubernetes.room import Room

        return Room(self.settings.cluster.quota_limit_seconds, context.log.warning, run.interrupt_unless_own)

    def _launched(
        self, context: dg.AssetExecutionContext, run: RunOfThisWorker, client: "ResourceClient", handle: LaunchHandle
    ) -> "Launched":
        from ctr_assets.launch.kubernetes.launched import Launched

        return Launched(context, run, client, handle, self.settings.cluster)

    def _labels(self, context: dg.AssetExecutionContext, job: JobDescription, attempt: int) -> dict[str, str]:
        root, step = root_run_id(context.run), step_of(context)
        return labels(root, context.job_name, step, job.partitions, self.code_location, attempt)

    def discard(self, context: dg.AssetExecutionContext, job: JobDescription) -> None:
        """Delete a resource that ended well with a report that is not whole: a retry would find the same report."""
        from google.cloud.storage import Client

        from ctr_assets.launch.kubernetes.messages import remove_messages

        for handle in launches(context, job)[-1:]:
            if not handle.is_over:
                run = RunOfThisWorker(context)
                self._launched(context, run, self.client(context.log), handle).give_up(
                    "failed", "it reported too little"
                )
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
