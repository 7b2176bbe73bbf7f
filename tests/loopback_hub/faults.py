"""What can go wrong with a request: each fault stands in front of the endpoints."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Closes the connection of a request; abruptly: with a reset, what is still to be sent is lost.
Hang = Callable[[Scope, bool], None]


@dataclass(kw_only=True)
class Fault(ABC):
    """Something that goes wrong with the requests that fit.

    Attributes:
        method: An HTTP method, * for any.
        endpoint: The name of an endpoint, * for any.
        path: A pattern for the path of the request, as of a shell.
        skip: How many fitting requests go well before.
        times: How many fitting requests go wrong after them; None for all.
        played: How many have gone wrong.
    """

    method: str = "*"
    endpoint: str = "*"
    path: str = "*"
    skip: int = 0
    times: int | None = 1
    played: int = field(default=0, init=False)

    def takes(self, method: str, endpoint: str, path: str) -> bool:
        """Whether this request goes wrong; counts it."""
        wanted = (self.method in ("*", method)) and (self.endpoint in ("*", endpoint))
        if not wanted or not fnmatchcase(path, self.path) or self.played == self.times:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.played += 1
        return True

    @abstractmethod
    async def play(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, hang: Hang
    ) -> None:
        """Answers the request, or does not."""


@dataclass(kw_only=True)
class Failure(Fault):
    """An error answer; the endpoint does not see the request."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str]

    async def play(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, hang: Hang
    ) -> None:
        while (await receive()).get("more_body"):
            pass  # an answer before the end of an upload would be a cut connection to the client
        content = json.dumps(self.body).encode()
        headers = {"Content-Type": "application/json", "Content-Length": str(len(content))}
        lines = [(k.lower().encode(), v.encode()) for k, v in {**headers, **self.headers}.items()]
        await send({"type": "http.response.start", "status": self.status, "headers": lines})
        await send({"type": "http.response.body", "body": content})


@dataclass(kw_only=True)
class Delay(Fault):
    """A good answer, late."""

    seconds: float

    async def play(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, hang: Hang
    ) -> None:
        await asyncio.sleep(self.seconds)
        await app(scope, receive, send)


@dataclass(kw_only=True)
class CutRequest(Fault):
    """The connection is reset when so many bytes of an upload have come."""

    after: int

    async def play(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, hang: Hang
    ) -> None:
        received, more = 0, True
        while more and received < self.after:
            message = await receive()
            received += len(message.get("body", b""))
            more = message.get("more_body", False)
        hang(scope, True)
        await asyncio.sleep(0)


@dataclass(kw_only=True)
class LostAnswer(Fault):
    """The endpoint does its work, and the connection is reset before its answer."""

    async def play(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, hang: Hang
    ) -> None:
        async def swallow(message: Message) -> None:
            pass

        await app(scope, receive, swallow)
        hang(scope, True)
        await asyncio.sleep(0)


@dataclass(kw_only=True)
class CutAnswer(Fault):
    """The answer ends after so many bytes of its body; its headers promise them all."""

    after: int
    abruptly: bool

    async def play(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, hang: Hang
    ) -> None:
        left = self.after

        async def cut(message: Message) -> None:
            nonlocal left
            if message["type"] == "http.response.start":
                await send(message)
            elif left > 0:
                part = message.get("body", b"")[:left]
                left -= len(part)
                await send({"type": "http.response.body", "body": part, "more_body": True})

        await app(scope, receive, cut)
        await asyncio.sleep(0.05)  # lets the part reach the client
        hang(scope, self.abruptly)
        await asyncio.sleep(0)


@dataclass(kw_only=True)
class Corruption(Fault):
    """One byte in the middle of the answer is wrong; length, status and ETag are right."""

    async def play(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, hang: Hang
    ) -> None:
        async def spoil(message: Message) -> None:
            body = message.get("body", b"")
            if body:
                middle = len(body) // 2
                wrong = bytes([body[middle] ^ 0xFF])
                message = {**message, "body": body[:middle] + wrong + body[middle + 1 :]}
            await send(message)

        await app(scope, receive, spoil)
