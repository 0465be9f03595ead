"""What to run: an entry point of ``ctr_assets.jobs``, its parameters, and the partitions it must report. Pure data."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Footprint:
    """What a job occupies from its launch to its end: cores and GPUs, as they were asked for."""

    cores: float
    gpus: int = 0


@dataclass(frozen=True)
class Outcome:
    """How an engine says that a job ended. ``failure`` is None when it ended well, else what went wrong.

    ``leads``: the failure is not of the process that reports, so it comes before what that process told of it.
    ``seconds``: from the launch to the end by the engine's own clock; None: as long as the launch took here.
    """

    failure: str | None = None
    leads: bool = False
    seconds: float | None = None


@dataclass(frozen=True)
class JobDescription:
    """One job.

    ``partitions`` are the partitions it must commit and report, ``("",)`` for an unpartitioned asset. ``resources``
    overrides fields of the deployment's settings of the engine (executors, memory, GPUs); a laptop ignores it.
    """

    name: str
    params: Mapping[str, Any]
    partitions: tuple[str, ...]
    resources: Mapping[str, Any] = field(default_factory=dict)

    @property
    def arguments(self) -> list[str]:
        """Arguments of ``python -m ctr_assets.jobs``."""
        return [self.name, "--params", json.dumps(self.params, sort_keys=True)]
