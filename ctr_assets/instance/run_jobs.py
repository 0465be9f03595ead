"""The Jobs of run workers, asked once and with a time limit: whoever asks decides when to ask again."""

from collections.abc import Collection
from typing import Any, Final

import urllib3
from dagster_k8s.client import DagsterKubernetesClient
from kubernetes.client import V1DeleteOptions, V1Job, V1JobStatus, V1Preconditions
from kubernetes.client.exceptions import ApiException

REQUEST_TIMEOUT_SECONDS: Final = 15.0
RUN_ID: Final = "dagster/run-id"
_ENDED: Final = ("Complete", "Failed")
"""Conditions that a Job carries only when none of its pods runs any more."""

CANNOT_ASK: Final = (ApiException, urllib3.exceptions.HTTPError)


class RunJobs(DagsterKubernetesClient):
    """dagster-k8s's client (0.29.27) with one try a question.

    The base's own tries take a minute of its caller's time, cover some errors and not others, and no question but the
    creation has a time limit: an API server that hangs would stop the daemon.
    """

    def create_namespaced_job_with_retries(self, body: V1Job, namespace: str, *_: Any) -> None:
        """Create; that it is there already is no error: the answer to an earlier try was lost."""
        try:
            self.batch_api.create_namespaced_job(
                body=body, namespace=namespace, _request_timeout=REQUEST_TIMEOUT_SECONDS
            )
        except ApiException as e:
            if e.status != 409:
                raise

    def get_job_status(self, job_name: str, namespace: str, *_: Any) -> V1JobStatus | None:
        """None when there is no such Job. Raises one of ``CANNOT_ASK``."""
        try:
            job = self.batch_api.read_namespaced_job_status(
                job_name, namespace, _request_timeout=REQUEST_TIMEOUT_SECONDS
            )
        except ApiException as e:
            if e.status == 404:
                return None
            raise
        return job.status

    def delete_job(self, job_name: str, namespace: str) -> bool:
        """Tell a worker to end; False when there is none. Its Job is there until its pod is gone.

        The base deletes the Job first and its pods after it: a worker could outlive what is known of it.
        """
        return self._delete(job_name, namespace)

    def end(self, run_ids: Collection[str], namespace: str) -> list[str]:
        """Have the workers of these runs end; names of the Jobs whose pods are not gone yet.

        A Job counts until it says that it has ended: its pods may outlive its failure by their whole grace.
        """
        selector = f"{RUN_ID} in ({','.join(sorted(run_ids))})"
        found = self.batch_api.list_namespaced_job(
            namespace, label_selector=selector, _request_timeout=REQUEST_TIMEOUT_SECONDS
        ).items
        living = [job for job in found if not _has_ended(job)]
        for job in living:
            if job.metadata.deletion_timestamp is None:
                self._delete(job.metadata.name, namespace, job.metadata.uid)
        return [job.metadata.name for job in living]

    def _delete(self, name: str, namespace: str, uid: str | None = None) -> bool:
        options = V1DeleteOptions(propagation_policy="Foreground", preconditions=V1Preconditions(uid=uid))
        try:
            self.batch_api.delete_namespaced_job(
                name, namespace, body=options, _request_timeout=REQUEST_TIMEOUT_SECONDS
            )
        except ApiException as e:
            if e.status not in (404, 409):  # gone, or another one has the name
                raise
            return False
        return True


def _has_ended(job: V1Job) -> bool:
    if job.metadata.deletion_timestamp is not None:
        return False
    return any(one.type in _ENDED and one.status == "True" for one in job.status.conditions or [])
