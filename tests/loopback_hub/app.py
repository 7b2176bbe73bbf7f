"""The ASGI application: every endpoint in one table, the log of requests, and injected faults.

In a path `{api}` is /api/models/{owner}/{name}, and likewise with datasets and spaces; `{files}` is
/{owner}/{name} for a model, /datasets/{owner}/{name} and /spaces/{owner}/{name} for the others.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Message, Receive, Scope, Send

from .access import PLURALS, ErrorResponse
from .faults import Faults
from .reading import Reading
from .writing import Writing

Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class Asked:
    """A request, and the status of its response."""

    method: str
    path: str
    endpoint: str
    status: int | None = None


def routes(reading: Reading, writing: Writing) -> list[Route]:
    """All endpoints of the loopback Hub, for each type of repository."""
    table: tuple[tuple[str, str, str, Handler], ...] = (
        ("whoami", "GET", "/api/whoami-v2", reading.whoami),
        ("validate-yaml", "POST", "/api/validate-yaml", writing.validate_yaml),
        ("create", "POST", "/api/repos/create", writing.create),
        ("auth-check", "GET", "{api}/auth-check", reading.auth_check),
        ("auth-check", "GET", "{api}/auth-check/write", reading.auth_check),
        ("tree", "GET", "{api}/tree/{revision}", reading.tree),
        ("tree", "GET", "{api}/tree/{revision}/{path:path}", reading.tree),
        ("paths-info", "POST", "{api}/paths-info/{revision}", reading.paths_info),
        ("commits", "GET", "{api}/commits/{revision}", reading.commits),
        ("preupload", "POST", "{api}/preupload/{revision}", writing.preupload),
        ("commit", "POST", "{api}/commit/{revision}", writing.commit),
        ("info", "GET", "{api}/revision/{revision}", reading.info),
        ("info", "GET", "{api}", reading.info),
        ("lfs-batch", "POST", "{files}.git/info/lfs/objects/batch", writing.lfs_batch),
        ("lfs-upload", "PUT", "/lfs/{oid}", writing.lfs_upload),
        ("resolve", "GET HEAD", "{files}/resolve/{revision}/{path:path}", reading.resolve),
    )
    made: dict[str, Route] = {}
    for name, methods, template, handler in table:
        for plural in PLURALS:
            folder = "" if plural == "models" else f"/{plural}"
            path = template.replace("{api}", f"/api/{plural}/{{owner}}/{{name}}")
            path = path.replace("{files}", f"{folder}/{{owner}}/{{name}}")
            made.setdefault(path, Route(path, handler, methods=methods.split(), name=name))
    return list(made.values())


class App:
    """Logs a request, and hands it to the fault that matches it or to its endpoint."""

    def __init__(self, reading: Reading, writing: Writing) -> None:
        self._routes = routes(reading, writing)
        self._starlette = Starlette(
            routes=self._routes, exception_handlers={ErrorResponse: _error_response}
        )
        self.faults = Faults(frozenset(route.name for route in self._routes))
        self.log: list[Asked] = []
        self.mistakes: list[Exception] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        # A quoted slash belongs to a revision or a path, it does not separate them.
        raw = scope["raw_path"].decode()
        scope = {**scope, "path": unquote(raw.replace("%2F", "%252F").replace("%2f", "%252F"))}
        matching = (r.name for r in self._routes if r.matches(scope)[0] is Match.FULL)
        asked = Asked(scope["method"], unquote(raw), next(matching, "unknown"))
        self.log.append(asked)

        async def note_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                asked.status = message["status"]
            await send(message)

        fault = self.faults.find(asked.method, asked.endpoint, asked.path)
        try:
            if fault:
                await fault.play(self._starlette, scope, receive, note_status)
            else:
                await self._starlette(scope, receive, note_status)
        except ClientDisconnect:
            pass
        except Exception as error:  # a bug of this server: the client gets 500, the test this
            self.mistakes.append(error)


async def _error_response(request: Request, error: Exception) -> Response:
    assert isinstance(error, ErrorResponse)
    return error.response
