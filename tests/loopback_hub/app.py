"""The ASGI application: every endpoint in one table, the log of requests, and the faults before it.

In a path `{api}` is /api/models/{owner}/{name}, and likewise with datasets and spaces; `{files}` is
/{owner}/{name} for a model, /datasets/{owner}/{name} and /spaces/{owner}/{name} for the others.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Message, Receive, Scope, Send

from .access import PLURALS, Access, Refusal
from .bad_days import Faults
from .faults import Hang
from .reading import Reading
from .writing import Writing

Handler = Callable[[Request], Awaitable[Response]]
UNKNOWN = "unknown"


@dataclass
class Asked:
    """A request that came; the name of whoever asked stands for the token."""

    method: str
    path: str
    query: str
    endpoint: str
    account: str | None
    range: str | None
    seconds: float
    received: int = 0
    status: int | None = None


def endpoints(reading: Reading, writing: Writing) -> list[tuple[str, str, str, Handler]]:
    """Name, methods, path and answer of everything that the loopback Hub knows."""
    return [
        ("whoami", "GET", "/api/whoami-v2", reading.whoami),
        ("validate-yaml", "POST", "/api/validate-yaml", writing.validate_yaml),
        ("create", "POST", "/api/repos/create", writing.create),
        ("delete", "DELETE", "/api/repos/delete", writing.delete),
        ("search", "GET", "{list}", reading.search),
        ("auth-check", "GET", "{api}/auth-check", reading.auth_check),
        ("auth-check", "GET", "{api}/auth-check/write", reading.auth_check),
        ("tree", "GET", "{api}/tree/{revision}", reading.tree),
        ("tree", "GET", "{api}/tree/{revision}/{path:path}", reading.tree),
        ("paths-info", "POST", "{api}/paths-info/{revision}", reading.paths_info),
        ("refs", "GET", "{api}/refs", reading.refs),
        ("commits", "GET", "{api}/commits/{revision}", reading.commits),
        ("preupload", "POST", "{api}/preupload/{revision}", writing.preupload),
        ("commit", "POST", "{api}/commit/{revision}", writing.commit),
        ("branch", "POST DELETE", "{api}/branch/{revision}", writing.branch),
        ("tag", "POST DELETE", "{api}/tag/{revision}", writing.tag),
        ("info", "GET", "{api}/revision/{revision}", reading.info),
        ("info", "GET", "{api}", reading.info),
        ("lfs-batch", "POST", "{files}.git/info/lfs/objects/batch", writing.lfs_batch),
        ("lfs-upload", "PUT", "/lfs/{oid}", writing.lfs_upload),
        ("lfs-verify", "POST", "/lfs/{oid}/verify", writing.lfs_verify),
        ("resolve", "GET HEAD", "{files}/resolve/{revision}/{path:path}", reading.resolve),
    ]


def routes(table: list[tuple[str, str, str, Handler]]) -> list[Route]:
    """The table with its short forms spelt out, for each type of repository."""
    made: dict[str, Route] = {}
    for name, methods, template, handler in table:
        for plural in PLURALS:
            folder = "" if plural == "models" else f"/{plural}"
            path = (
                template.replace("{list}", f"/api/{plural}")
                .replace("{api}", f"/api/{plural}/{{owner}}/{{name}}")
                .replace("{files}", f"{folder}/{{owner}}/{{name}}")
            )
            made.setdefault(path, Route(path, handler, methods=methods.split(), name=name))
    return list(made.values())


class App:
    """Logs a request, plays the fault that fits it, or hands it to its endpoint."""

    def __init__(self, access: Access, reading: Reading, writing: Writing, hang: Hang) -> None:
        self._access = access
        self._hang = hang
        self._routes: list[BaseRoute] = [*routes(endpoints(reading, writing))]
        self._starlette = Starlette(routes=self._routes, exception_handlers={Refusal: _refuse})
        self.faults = Faults(frozenset(r.name for r in self._routes if isinstance(r, Route)))
        self.log: list[Asked] = []
        self.mistakes: list[Exception] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        # A quoted slash belongs to a revision or a path, it does not part them.
        raw = scope["raw_path"].decode()
        scope = {**scope, "path": unquote(raw.replace("%2F", "%252F").replace("%2f", "%252F"))}
        asked = self._write_down(scope, unquote(raw))

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                asked.status = message["status"]
            await send(message)

        async def weigh() -> Message:
            message = await receive()
            asked.received += len(message.get("body", b""))
            return message

        fault = self.faults.find(asked.method, asked.endpoint, asked.path)
        try:
            if fault:
                await fault.play(self._starlette, scope, weigh, count, self._hang)
            else:
                await self._starlette(scope, weigh, count)
        except ClientDisconnect:
            pass
        except Exception as error:  # a mistake of this Hub: the client has its 500, the test this
            self.mistakes.append(error)

    def _write_down(self, scope: Scope, path: str) -> Asked:
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        asked = Asked(
            method=scope["method"],
            path=path,
            query=scope["query_string"].decode(),
            endpoint=self._endpoint(scope),
            account=self._access.name_of(headers.get("authorization", "")),
            range=headers.get("range"),
            seconds=time.monotonic(),
        )
        self.log.append(asked)
        return asked

    def _endpoint(self, scope: Scope) -> str:
        found = (r for r in self._routes if r.matches(scope)[0] is Match.FULL)
        route = next(found, None)
        return route.name if isinstance(route, Route) else UNKNOWN


async def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.answer()
