"""Where the recorded exchanges and streams lie, and how they are read. They are no part of the repository."""

import json
import os
from pathlib import Path

from ctr_assets_tests.kubernetes.resources import Json

VARIABLE = "CTR_K8S_RECORDINGS"
BESIDE_THE_REPOSITORY = Path(__file__).parents[3] / "shared" / "k8s"
SIDE_STREAMS = ("actions", "events", "pods", "services")


def find_recordings() -> Path | None:
    """The folder with `http/` and `transcripts/`, or None on a machine that does not have it."""
    folder = Path(os.environ.get(VARIABLE, BESIDE_THE_REPOSITORY))
    return folder if (folder / "http").is_dir() else None


def read_exchanges(folder: Path, name: str) -> list[Json]:
    """One file of `http/`: exchanges with `step`, `request` and `response`, in their order."""
    found: list[Json] = json.loads((folder / "http" / f"{name}.json").read_text())
    return found


def transcript_names(transcripts: Path) -> list[str]:
    """The recorded runs; the streams beside them (`-pods`, ...) are not listed."""
    names = [path.stem for path in sorted(transcripts.glob("*.jsonl"))]
    return [name for name in names if name.rpartition("-")[2] not in SIDE_STREAMS]


def read_transcript(transcripts: Path, name: str) -> list[Json]:
    """The frames of a stream: `t` seconds since the create, `type`, `object`; none where it was not recorded."""
    path = transcripts / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
