"""The loopback Hub as an object: started in a thread, asked over HTTP, looked into by tests."""

import asyncio
import socket
import struct
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from .access import Access, Account
from .app import App, Asked
from .bad_days import Faults
from .reading import Reading
from .store import Commit, Repository, RepoType, Store
from .writing import Writing, put

_PATIENCE = 10.0


class LoopbackHub:
    """A Hub of one user, in this process, on a free port of 127.0.0.1.

    Used as a context manager it is stopped at the end. Everything is kept in memory.

    Attributes:
        url: What HF_ENDPOINT has to be, before huggingface_hub is imported.
        user: The name of the user.
        write_token: A token of the user with all rights.
        read_token: A token of the user that may only read.
        stranger_token: A token with all rights of somebody else.
        faults: The bad days to switch on.
        large_files: Whether large files go through LFS; else all are part of the commit, which is
            what a client with hf_xet switched on needs.
        page_size: How many lines a page of a listing has.
    """

    def __init__(
        self,
        user: str = "tester",
        *,
        organizations: tuple[str, ...] = (),
        large_files: bool = True,
        page_size: int = 1000,
        port: int = 0,
    ) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", port))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.user = user
        self.store = Store()
        access = Access(self.store)
        self.write_token = access.add(Account(user, "write", organizations))
        self.read_token = access.add(Account(user, "read", organizations))
        self.stranger_token = access.add(Account("stranger", "write"))
        reading = Reading(access, page_size)
        self._app = App(access, reading, Writing(access, self.url, large_files), self._hang)
        self.faults: Faults = self._app.faults
        self._connections: dict[tuple[str, int], asyncio.Transport] = {}
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._app, http=self._protocol(), lifespan="off", ws="none", log_config=None
            )
        )
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def start(self) -> Self:
        """Answers from now on."""
        self._thread.start()
        deadline = time.monotonic() + _PATIENCE
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"the loopback Hub did not start at {self.url}")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Refuses connections from now on, as when there is no network.

        Raises:
            ExceptionGroup: If this Hub itself has failed at a request.
        """
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(_PATIENCE)
        self._socket.close()
        if self._app.mistakes:
            raise ExceptionGroup("the loopback Hub has failed", self._app.mistakes)

    def wait(self) -> None:
        """Waits until the server ends."""
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def environment(self, home: Path, token: str | None = None) -> dict[str, str]:
        """The variables with which a fresh process talks to this Hub alone.

        Args:
            home: Where its caches go.
            token: Who it is; `write_token` if None, and anonymous if "".
        """
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.write_token if token is None else token,
            "HF_HOME": str(home / "hf_home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_OFFLINE": "0",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def create(
        self,
        repo_id: str,
        repo_type: RepoType = "model",
        *,
        private: bool = False,
        files: dict[str, bytes] | None = None,
    ) -> Repository:
        """Makes a repository without a client."""
        sdk = "gradio" if repo_type == "space" else None
        repository = self.store.create(repo_id, repo_type, private=private, sdk=sdk)
        if files:
            self.put(repo_id, files, repo_type)
        return repository

    def put(self, repo_id: str, files: dict[str, bytes], repo_type: RepoType = "model") -> str:
        """Commits files to main without a client; returns the sha."""
        return put(self.repository(repo_id, repo_type), files, "Upload files")

    def exists(self, repo_id: str, repo_type: RepoType = "model") -> bool:
        return (repo_type, repo_id) in self.store.repositories

    def repository(self, repo_id: str, repo_type: RepoType = "model") -> Repository:
        return self.store.repositories[repo_type, repo_id]

    def commits(self, repo_id: str, repo_type: RepoType = "model") -> list[Commit]:
        """The history of main, the newest first."""
        repository = self.repository(repo_id, repo_type)
        return list(repository.history(repository.head))

    def files(
        self, repo_id: str, repo_type: RepoType = "model", revision: str = "main"
    ) -> dict[str, bytes]:
        """What a revision holds, but for the .gitattributes that every repository has."""
        repository = self.repository(repo_id, repo_type)
        commit = repository.resolve(revision)
        if commit is None:
            raise KeyError(f"{repo_id} has no revision {revision!r}")
        return {
            path: self.store.blobs.read(entry)
            for path, entry in commit.files.items()
            if path != ".gitattributes"
        }

    def asked(self, endpoint: str = "*", method: str = "*") -> list[Asked]:
        """The requests that came, the oldest first."""
        return [
            asked
            for asked in self._app.log
            if endpoint in ("*", asked.endpoint) and method in ("*", asked.method)
        ]

    def forget(self) -> None:
        """Empties the log of requests."""
        self._app.log.clear()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    def _protocol(self) -> type[asyncio.Protocol]:
        """uvicorn's HTTP, which also says whose connection is which, so that faults can cut it."""
        connections = self._connections

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                super().connection_made(transport)
                connections[transport.get_extra_info("peername")] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(self.transport.get_extra_info("peername"), None)
                super().connection_lost(exc)

        return Protocol

    def _hang(self, scope: Scope, abruptly: bool) -> None:
        transport = self._connections.get(scope["client"])
        if transport and abruptly:
            linger = struct.pack("ii", 1, 0)  # on, for no time: the client gets a reset, no end
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
            transport.abort()
        elif transport:
            transport.close()
