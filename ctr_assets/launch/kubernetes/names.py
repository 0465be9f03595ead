"""Name and labels of a job's custom resource: the same job gets the same name, and the labels say whose it is."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from typing import Final

MAX_NAME_LENGTH: Final = 40
"""Longer names break: Spark's ``<name>-<16 hex>-driver-svc`` and a PyTorchJob's ``<name>-worker-<i>`` must fit 63."""

MAX_LABEL_LENGTH: Final = 63
MAX_ATTEMPT: Final = 9999
"""Largest attempt that still leaves the name readable."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
OURS: Final = "ctr-assets"
RUN_ID: Final = "ctr-assets/run-id"
JOB: Final = "ctr-assets/job"
ASSET: Final = "ctr-assets/asset"
PARTITION: Final = "ctr-assets/partition"
CODE_LOCATION: Final = "ctr-assets/code-location"
ATTEMPT: Final = "ctr-assets/attempt"

IDENTITY: Final = (MANAGED_BY, RUN_ID, ASSET, PARTITION, ATTEMPT)
"""Labels that must agree before a resource is adopted. A code location may be renamed between two attempts."""

_HASH_LENGTH = 8
"""Base32 characters, 40 bits: among a thousand jobs, two share a hash once in two million times."""

_SLUG_LENGTH = 6
"""Characters of a partition in a name: a day as yymmdd."""


def resource_name(run_id: str, step: str, partitions: tuple[str, ...], attempt: int) -> str:
    """``ctr-<step>-<partitions>-<hash>-a<attempt>``: a DNS-1035 label of at most 40 characters.

    The hash covers run, step and every partition; the attempt is spelt out, so the attempts of one job sort together.
    The step is cut to what is left. Raises ValueError for an attempt outside 0..9999.
    """
    if not 0 <= attempt <= MAX_ATTEMPT:
        raise ValueError(f"attempt is {attempt}, expected 0 to {MAX_ATTEMPT}")
    tail = f"{_digest(json.dumps([run_id, step, partitions]))}-a{attempt}"
    days = [_slug(p) for p in (partitions[:1] + partitions[1:][-1:])]
    middle = "-".join(day for day in days if day)
    fixed = len("ctr") + len(tail) + 2 + (len(middle) + 1 if middle else 0)
    readable = re.sub("[^a-z0-9]+", "-", step.lower()).strip("-")[: MAX_NAME_LENGTH - fixed].strip("-")
    return "-".join(part for part in ("ctr", readable, middle, tail) if part)


def attempt_of(name: str) -> int:
    """The attempt that :func:`resource_name` spelt out at the end of a name."""
    return int(name.rpartition("-a")[2])


def labels(
    run_id: str, job_name: str, asset: str, partitions: tuple[str, ...], code_location: str, attempt: int
) -> dict[str, str]:
    """Labels of a resource and of its pods. Values are valid label values: other characters become ``-``.

    A value that had to be changed or cut ends in a hash of the original, so two owners never share a value.
    """
    partition = partitions[0] if len(partitions) == 1 else _span(partitions)
    return {
        MANAGED_BY: OURS,
        RUN_ID: label_value(run_id),
        JOB: label_value(job_name),
        ASSET: label_value(asset),
        PARTITION: label_value(partition),
        CODE_LOCATION: label_value(code_location),
        ATTEMPT: str(attempt),
    }


def is_same_owner(labels_a: Mapping[str, str], labels_b: Mapping[str, str]) -> bool:
    """Whether both are labels of ours and name the same run, asset, partitions and attempt."""
    return labels_a.get(MANAGED_BY) == OURS and all(
        name in labels_a and labels_a[name] == labels_b.get(name) for name in IDENTITY
    )


def label_value(text: str) -> str:
    """``text`` where it is a valid label value already, else a readable part of it and a hash of all of it."""
    if re.fullmatch(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", text):
        return text
    readable = re.sub("[^-A-Za-z0-9_.]+", "-", text)[: MAX_LABEL_LENGTH - _HASH_LENGTH - 1].strip("-_.")
    return f"{readable}-{_digest(text)}" if readable else _digest(text)


def _span(partitions: tuple[str, ...]) -> str:
    """First and last partition, with a hash of all: a run may skip days in between."""
    return f"{partitions[0]}..{partitions[-1]}-{_digest(json.dumps(partitions))}" if partitions else ""


def _slug(partition: str) -> str:
    day = re.fullmatch(r"\d\d(\d\d)-(\d\d)-(\d\d)", partition, re.ASCII)
    return "".join(day.groups()) if day else re.sub("[^a-z0-9]+", "", partition.lower())[:_SLUG_LENGTH]


def _digest(text: str) -> str:
    return (
        base64.b32encode(hashlib.sha256(text.encode(errors="surrogatepass")).digest()).decode().lower()[:_HASH_LENGTH]
    )
