"""A job that behaves as its parameters say: the misbehaviour that the launchers must see through."""

import json
import os
import signal
import sys
import time
from pathlib import Path

from dagster_pipes import open_dagster_pipes

from ctr_assets.jobs.__main__ import die_with_launcher, message_writer


def main() -> None:
    params = json.loads(sys.argv[-1])
    die_with_launcher(poll_seconds=0.1)
    if "runs_file" in params:
        with Path(params["runs_file"]).open("a") as file:
            file.write(f"{os.getpid()}\n")
    if params.get("crash_before_opening"):
        sys.exit(3)
    pipes = open_dagster_pipes(message_writer=message_writer())
    for partition in params["reports"]:
        pipes.log.info(f"working on {partition}")
        pipes.report_custom_message({"partition": partition, "metadata": {"rows": len(partition), "name": partition}})
        sys.stdout.write(f"output of {partition}\n")
        sys.stdout.flush()
    wait_for = params.get("wait_for_file")
    while wait_for and not Path(wait_for).exists():
        time.sleep(0.05)
    if params.get("fails"):
        pipes.report_custom_message({"failed": params["fails"]})
        pipes.close()
        sys.exit(1)
    if params.get("killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if params.get("ends_without_closing"):
        os._exit(0)
    time.sleep(params.get("seconds", 0))
    pipes.close()


if __name__ == "__main__":
    main()
