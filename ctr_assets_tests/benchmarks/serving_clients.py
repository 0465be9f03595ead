"""Keep-alive HTTP clients of one process, as cheap as they can be made: they take the server's time, not theirs."""

import selectors
import socket
import time
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Load:
    """What so many clients saw. Times of a request are in milliseconds, from when it was due."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    def __str__(self) -> str:
        return f"{self.rate:,.0f} requests/s, p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms"


class _Client:
    def __init__(self, port: int, due: float) -> None:
        self.due, self.is_waiting, self.received = due, False, b""
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self) -> bool:
        """Whether the answer is whole now. Raises RuntimeError when it is no 200."""
        self.received += self.connection.recv(1 << 20)
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(self.received.decode())
        (length,) = (line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        return len(body) == int(length)


def ask(port: int, path: str, body: bytes, *, clients: int, seconds: float, rate: float | None = None) -> Load:
    """Each client asks again when it was answered, or, together ``rate`` times a second, whether it was or not."""
    request = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    began = time.perf_counter()
    each = clients / rate if rate else 0.0
    all_clients = [_Client(port, began + n * each / clients) for n in range(clients)]
    taken: list[float] = []
    with selectors.DefaultSelector() as selector:
        for client in all_clients:
            selector.register(client.connection, selectors.EVENT_READ, client)
        while (now := time.perf_counter()) < began + seconds:
            for client in all_clients:
                if not client.is_waiting and client.due <= now:
                    client.connection.sendall(request)
                    client.is_waiting, client.received = True, b""
            due = [client.due for client in all_clients if not client.is_waiting]
            for key, _ in selector.select(max(0.0, min(due) - now) if due else 1.0):
                client = key.data
                if client.receive():
                    ended = time.perf_counter()
                    taken.append(ended - client.due)
                    client.due = client.due + each if rate else ended
                    client.is_waiting = False
    for client in all_clients:
        client.connection.close()
    p50, p99 = np.percentile(np.array(taken) * 1e3, [50, 99])
    return Load(len(taken), seconds, float(p50), float(p99))
