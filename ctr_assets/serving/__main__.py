"""The server's command line: ``python -m ctr_assets.serving --store-url data/demo/store``."""

import argparse
import json
import logging
import re
import shlex
import shutil
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from ctr_assets.serving import HTTP_PORT, SERVED_NAME
from ctr_assets.serving.watch import Champion, Watch
from ctr_assets.storage import Store
from ctr_assets.urls import check_place


def place(url: str) -> str:
    """An argument that is a folder or a bucket."""
    try:
        return check_place(url)
    except ValueError as e:
        raise argparse.ArgumentTypeError(f"{url!r}: {e}") from None


def name(text: str) -> str:
    """An argument that can stand in a path."""
    if not re.fullmatch(r"[\w.-]+", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r}: expected letters, digits, '.', '_' and '-'")
    return text


def between(least: int, most: int) -> Callable[[str], int]:
    """An argument that is a whole number in these bounds."""

    def number(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:12]) <= most):
            raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number from {least} to {most}")
        return int(text)

    return number


def parser() -> argparse.ArgumentParser:
    """The command line's arguments."""
    p = argparse.ArgumentParser(prog="python -m ctr_assets.serving", description="Serves the champion.")
    p.add_argument("--store-url", type=place, required=True, help="root of all tables: a folder or gs://bucket/prefix")
    p.add_argument("--name", type=name, default=SERVED_NAME, help="of the model in requests (default: %(default)s)")
    p.add_argument("--http-port", type=between(1, 65_535), default=HTTP_PORT, help="default: %(default)s")
    p.add_argument("--grpc-port", type=between(0, 65_535), default=8081, help="0: no gRPC (default: %(default)s)")
    p.add_argument(
        "--poll-seconds",
        type=between(1, 3_600),
        default=2,
        help="between two looks for a champion (default: %(default)s)",
    )
    p.add_argument(
        "--max-rows", type=between(1, 1_000_000), default=10_000, help="of one request (default: %(default)s)"
    )
    p.add_argument(
        "--max-body-bytes",
        type=between(1_024, 2**31 - 1),
        default=16 << 20,
        help="of one request (default: %(default)s)",
    )
    return p


def main(arguments: list[str] | None = None) -> int:
    """Serves until it is told to stop."""
    options = parser().parse_args(arguments)
    for port in filter(None, (options.http_port, options.grpc_port)):
        if not _is_free(port):
            print(f"error: port {port} is taken: end its owner, or choose another (--help)", file=sys.stderr)
            return 2
    _log()
    _clear_scratch(options.http_port)
    from ctr_assets.serving.server import ClickModel, serve  # kserve reads sys.argv: ours are checked before

    model = ClickModel(options.name, options.max_rows)

    def change(champion: Champion) -> None:
        is_first = not model.ready
        model.change(champion)
        if is_first:
            greet(options.name, options.http_port, champion)

    Watch(Store(options.store_url), change, options.poll_seconds).start()
    serve(
        model,
        http_port=options.http_port,
        grpc_port=options.grpc_port,
        max_body_bytes=options.max_body_bytes,
    )
    return 0


def _is_free(port: int) -> bool:
    """gRPC would share a taken port with its owner, and each would get some of the requests."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def greet(name: str, port: int, champion: Champion) -> None:
    """Once the port listens: the request that is printed may be typed at once."""
    while not _listens(port):
        time.sleep(0.05)
    url = f"http://127.0.0.1:{port}/v1/models/{name}:predict"
    body = json.dumps({"instances": [dict(champion.example)]})
    print(f"The champion of {champion.day} answers at {url}:\n  curl {url} -d {shlex.quote(body)}", flush=True)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _log() -> None:
    """To standard error: changes of the model, and what went wrong in the server; not each request."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    logging.getLogger("ctr_assets").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", "ORJSONResponse is deprecated")  # kserve's own routes
    logging.getLogger("kserve").addFilter(_is_no_clients_mistake)


def _is_no_clients_mistake(record: logging.LogRecord) -> bool:
    """kserve logs a traceback of every wrong request; the client is told, and ``ctr_requests_total`` counts it."""
    from kserve.errors import InvalidInput, ModelNotFound, ModelNotReady

    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, InvalidInput | ModelNotFound | ModelNotReady)


def _clear_scratch(port: int) -> None:
    """Copies of models go into a folder of their own: what a killed server left there is gone at the next start."""
    scratch = Path(tempfile.gettempdir()) / f"ctr-serving-{port}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(exist_ok=True)
    tempfile.tempdir = str(scratch)


if __name__ == "__main__":
    sys.exit(main())
