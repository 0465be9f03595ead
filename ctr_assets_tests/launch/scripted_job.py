"""A job that behaves as its parameters say: the misbehaviour that the launchers must see through."""

import json
import os
import signal
import sys
import time

from dagster_pipes import open_dagster_pipes

from ctr_assets.jobs.__main__ import die_with_launcher


def main() -> None:
    params = json.loads(sys.argv[-1])
    die_with_launcher(poll_seconds=0.1)
    if params.get("crash_before_opening"):
        sys.exit(3)
    pipes = open_dagster_pipes()
    for partition in params["reports"]:
        pipes.log.info(f"working on {partition}")
        pipes.report_custom_message({"partition": partition, "metadata": {"rows": len(partition), "name": partition}})
    if params.get("pid_file"):
        with open(params["pid_file"], "w") as file:
            file.write(str(os.getpid()))
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
