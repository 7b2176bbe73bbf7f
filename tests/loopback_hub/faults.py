"""Injected faults: which requests get an error, a cut or a corrupted response.

A request gets the oldest fault that matches it and has times left, and only that one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Play = Callable[[ASGIApp, Scope, Receive, Send], Awaitable[None]]
_MESSAGES = {
    401: "Invalid credentials in Authorization header",
    403: "Authorization error: this token may not do that",
    404: "Repository not found",
    429: "Too many requests",
}


@dataclass
class Fault:
    """A response to the next `times` requests whose path matches a pattern, as in a shell."""

    method: str
    endpoint: str
    path: str
    times: int | None
    play: Play
    played: int = field(default=0, init=False)

    def takes(self, method: str, endpoint: str, path: str) -> bool:
        """Whether a request gets this fault; counts it."""
        matches = (method, endpoint) == (self.method, self.endpoint)
        if not matches or not fnmatchcase(path, self.path) or self.played == self.times:
            return False
        self.played += 1
        return True


class Faults:
    """Injects faults."""

    def __init__(self, endpoints: frozenset[str]) -> None:
        self._endpoints = endpoints
        self._faults: list[Fault] = []

    def fail(
        self,
        method: str,
        endpoint: str,
        *,
        status: int = 500,
        times: int | None = 1,
        path: str = "*",
        error_code: str | None = None,
    ) -> None:
        """An error response; that of 404 is RepoNotFound unless `error_code` is given."""
        message = _MESSAGES.get(status, "Internal error, we are looking into it")
        code = error_code or ("RepoNotFound" if status == 404 else "")
        headers = {"X-Error-Message": message, "X-Error-Code": code}
        self._add(method, endpoint, path, times, _error(status, {"error": message}, headers))

    def refuse_card(self, message: str) -> None:
        """The Hub finds this error in every card."""
        body = {"errors": [{"message": message}], "warnings": []}
        self._add("POST", "validate-yaml", "*", None, _error(400, body, {}))

    def cut_download(self, path: str = "*", *, after: int = 0, times: int | None = 1) -> None:
        """The connection ends after so many bytes of a file; its headers promise them all."""
        # uvicorn closes a connection that is left unfinished.
        self._change_download(path, times, lambda body: body[:after], more_body=True)

    def corrupt_download(self, path: str = "*", *, times: int | None = None) -> None:
        """A file comes with a wrong byte; length, status and ETag are right."""
        self._change_download(
            path, times, lambda body: body[:-1] + bytes(byte ^ 0xFF for byte in body[-1:])
        )

    def _change_download(
        self, path: str, times: int | None, change: Callable[[bytes], bytes], **flags: bool
    ) -> None:
        async def play(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
            async def changed(message: Message) -> None:
                if message["type"] == "http.response.body":
                    message = {**message, "body": change(message.get("body", b"")), **flags}
                await send(message)

            await app(scope, receive, changed)

        self._add("GET", "resolve", path, times, play)

    def clear(self) -> None:
        """Removes all faults."""
        self._faults.clear()

    def find(self, method: str, endpoint: str, path: str) -> Fault | None:
        """The fault that a request gets, if any."""
        return next((f for f in self._faults if f.takes(method, endpoint, path)), None)

    def _add(self, method: str, endpoint: str, path: str, times: int | None, play: Play) -> None:
        if endpoint not in self._endpoints:
            known = ", ".join(sorted(self._endpoints))
            raise ValueError(f"no endpoint {endpoint!r}: there are {known}")
        self._faults.append(Fault(method, endpoint, path, times, play))


def _error(status: int, body: object, headers: dict[str, str]) -> Play:
    async def play(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass  # a response before the end of an upload would be a cut connection to the client
        await JSONResponse(body, status, headers)(scope, receive, send)

    return play
