"""A request and what its path means: group, version, namespace, plural, name, subresource, and the verb of RBAC."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ctr_assets_tests.kubernetes.errors import bad_request

TRUE_WORDS = ("true", "1")


@dataclass(frozen=True)
class Request:
    """One HTTP request as it came in. Header names are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @classmethod
    def parse(cls, method: str, target: str, headers: dict[str, str], body: bytes) -> "Request":
        parts = urlsplit(target)
        return cls(method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, body)

    def asks(self, name: str) -> bool:
        """Whether a yes-or-no parameter says yes; clients write `true`, `True` or `1`."""
        return self.query.get(name, "").lower() in TRUE_WORDS

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "application/json").partition(";")[0].strip()

    @property
    def agent(self) -> str:
        """The field manager that the server makes of the User-Agent."""
        return self.headers.get("user-agent", "unknown").partition("/")[0]

    def json(self) -> Any:
        """The body; {} where there is none. Raises 400."""
        if not self.body:
            return {}
        try:
            return json.loads(self.body)
        except ValueError as e:
            raise bad_request(f"json: {e}") from e


@dataclass(frozen=True)
class ApiPath:
    group: str
    version: str
    namespace: str
    plural: str
    name: str = ""
    subresource: str = ""

    def verb(self, request: Request) -> str:
        if request.method == "GET":
            return "get" if self.name else ("watch" if request.asks("watch") else "list")
        if request.method == "DELETE":
            return "delete" if self.name else "deletecollection"
        return {"POST": "create", "PUT": "update", "PATCH": "patch"}[request.method]


def parse_path(path: str) -> ApiPath | None:
    """None for what is no object path (discovery, health)."""
    parts = path.strip("/").split("/")
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    if rest[:1] == ["namespaces"] and len(rest) >= 3:
        namespace, rest = rest[1], rest[2:]
    else:
        namespace = ""
    if not rest:
        return None
    plural, name, subresource = [*rest, "", ""][:3]
    return ApiPath(group, version, namespace, plural, name, subresource)
