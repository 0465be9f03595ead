"""The webserver as its own UI uses it: GraphQL over HTTP."""

from dataclasses import dataclass
from typing import Any

import requests

ANSWER_SECONDS = 30.0
LAUNCH = """
mutation LaunchPipelineExecution($executionParams: ExecutionParams!) {
  launchPipelineExecution(executionParams: $executionParams) {
    __typename
    ... on LaunchRunSuccess { run { id } }
    ... on PythonError { message stack }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PipelineNotFoundError { message }
  }
}
"""
TERMINATE = """
mutation Terminate($runIds: [String!]!, $terminatePolicy: TerminateRunPolicy) {
  terminateRuns(runIds: $runIds, terminatePolicy: $terminatePolicy) {
    ... on TerminateRunsResult {
      terminateRunResults { __typename ... on TerminateRunFailure { message } ... on PythonError { message } }
    }
    ... on PythonError { message stack }
  }
}
"""
LOCATIONS = """
query {
  locationStatusesOrError {
    ... on WorkspaceLocationStatusEntries { entries { name loadStatus } }
  }
}
"""
RUN = """
query ($runId: ID!) {
  runOrError(runId: $runId) { ... on Run { id status tags { key value } } }
}
"""
RETRIES = """
query ($filter: RunsFilter!) {
  runsOrError(filter: $filter) { ... on Runs { results { id status } } }
}
"""
CAPTURED = """
query ($runId: ID!) {
  logsForRun(runId: $runId) {
    ... on EventConnection { events { __typename ... on LogsCapturedEvent { fileKey } } }
  }
}
"""
LOG = """
query CapturedLogsQuery($logKey: [String!]!) { capturedLogs(logKey: $logKey) { stdout } }
"""


@dataclass(frozen=True)
class Webserver:
    """A running dagster-webserver."""

    url: str

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/server_info", timeout=ANSWER_SECONDS).ok
        except requests.ConnectionError:
            return False

    def loaded_locations(self) -> set[str]:
        """Names of the code locations whose definitions are there."""
        entries = self._ask(LOCATIONS)["locationStatusesOrError"]["entries"]
        return {one["name"] for one in entries if one["loadStatus"] == "LOADED"}

    def launch(self, location: str, asset: str, day: str, run_config: dict[str, Any] | None = None) -> str:
        """Materialize one day of an asset; the run's id."""
        selector = {"repositoryLocationName": location, "repositoryName": "__repository__", "jobName": "__ASSET_JOB"}
        params = {
            "mode": "default",
            "selector": selector | {"assetSelection": [{"path": [asset]}]},
            "runConfigData": run_config or {},
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": day}]},
        }
        answer = self._ask(LAUNCH, executionParams=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["id"])

    def terminate(self, run_id: str) -> None:
        """The UI's Terminate with nothing ticked: canceled once what executes it has ended."""
        answer = self._ask(TERMINATE, runIds=[run_id], terminatePolicy="SAFE_TERMINATE")["terminateRuns"]
        assert [one["__typename"] for one in answer["terminateRunResults"]] == ["TerminateRunSuccess"], answer

    def status(self, run_id: str) -> str:
        return str(self._ask(RUN, runId=run_id)["runOrError"]["status"])

    def tags(self, run_id: str) -> dict[str, str]:
        return {tag["key"]: tag["value"] for tag in self._ask(RUN, runId=run_id)["runOrError"]["tags"]}

    def retries(self, run_id: str) -> list[str]:
        """Ids of the runs that retry it."""
        tags = [{"key": "dagster/root_run_id", "value": run_id}]
        found = self._ask(RETRIES, filter={"tags": tags})["runsOrError"]["results"]
        return [one["id"] for one in found if one["id"] != run_id]

    def compute_log_key(self, run_id: str) -> list[str]:
        """Of the run's only process; empty while it captures nothing yet."""
        events = self._ask(CAPTURED, runId=run_id)["logsForRun"]["events"]
        keys = [one["fileKey"] for one in events if one["__typename"] == "LogsCapturedEvent"]
        return [run_id, "compute_logs", keys[0]] if keys else []

    def stdout(self, log_key: list[str]) -> str:
        """What the UI's stdout pane shows."""
        return self._ask(LOG, logKey=log_key)["capturedLogs"]["stdout"] or ""

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body: dict[str, Any] = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=body, timeout=ANSWER_SECONDS).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data
