"""Where the recorded exchanges and streams lie, and how they are read. `recorded/README.md` says what each is."""

import json
from pathlib import Path

from ctr_assets_tests.kubernetes.resources import Json

RECORDED = Path(__file__).parent / "recorded"
TRANSCRIPTS = RECORDED / "transcripts"
SIDE_STREAMS = ("actions", "events", "jobs", "jobsets", "pods", "services")


def exchange_files() -> set[str]:
    """Names of the files of `http/`."""
    return {path.stem for path in (RECORDED / "http").glob("*.json")}


def read_exchanges(name: str) -> list[Json]:
    """One file of `http/`: exchanges with `step`, `request` and `response`, in their order."""
    found: list[Json] = json.loads((RECORDED / "http" / f"{name}.json").read_text())
    return found


def transcript_names() -> list[str]:
    """The recorded runs; the streams beside them (`-pods`, ...) are not listed."""
    names = [path.stem for path in sorted(TRANSCRIPTS.glob("*.jsonl"))]
    return [name for name in names if name.rpartition("-")[2] not in SIDE_STREAMS]


def read_transcript(name: str) -> list[Json]:
    """The frames of a stream: `t` seconds since the create, `type`, `object`. Raises FileNotFoundError."""
    return [json.loads(line) for line in (TRANSCRIPTS / f"{name}.jsonl").read_text().splitlines()]


def read_side_stream(name: str, side: str) -> list[Json]:
    """The frames of a stream beside a run's own (SIDE_STREAMS); none where it was not recorded."""
    beside = f"{name}-{side}"
    return read_transcript(beside) if (TRANSCRIPTS / f"{beside}.jsonl").exists() else []
