"""The loopback Hub as an object: started in a thread, used over HTTP, inspected by tests."""

import secrets
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import uvicorn

from .access import Access, Account
from .app import App, Asked
from .reading import Reading
from .store import Commit, Repository, RepoType, Store
from .writing import Writing

_PATIENCE = 10.0


class LoopbackHub:
    """A Hub in this process on a free port of 127.0.0.1; everything is kept in memory.

    Attributes:
        url: What HF_ENDPOINT has to be, before huggingface_hub is imported.
        write_token: A token of the user `tester` with all rights.
        read_token: A token of `tester` that may only read.
        other_user_token: A token with all rights of another user.
        faults: Injects errors.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.store = Store()
        accounts = (
            Account("tester", "write"),
            Account("tester", "read"),
            Account("other-user", "write"),
        )
        tokens = [f"hf_{secrets.token_hex(17)}" for _ in accounts]
        self.write_token, self.read_token, self.other_user_token = tokens
        access = Access(self.store, dict(zip(tokens, accounts, strict=True)))
        self._app = App(Reading(access), Writing(access, self.url))
        self.faults = self._app.faults
        self._server = uvicorn.Server(
            uvicorn.Config(self._app, http="h11", lifespan="off", ws="none", log_config=None)
        )
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        deadline = time.monotonic() + _PATIENCE
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"the loopback Hub did not start at {self.url}")
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Refuses connections from now on, as without a network.

        Raises:
            ExceptionGroup: If a request met a bug of this server.
        """
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(_PATIENCE)
        self._socket.close()
        if self._app.mistakes:
            raise ExceptionGroup("bugs of the loopback Hub", self._app.mistakes)

    def environment(self, home: Path, token: str | None = None) -> dict[str, str]:
        """The variables with which a fresh process talks to this Hub alone.

        Args:
            home: Where its caches go.
            token: Its token; `write_token` if None, anonymous if "".
        """
        switches = ("XET", "TELEMETRY", "PROGRESS_BARS", "UPDATE_CHECK")
        return {
            "HF_ENDPOINT": self.url,
            "HF_TOKEN": self.write_token if token is None else token,
            "HF_HOME": str(home / "hf_home"),
            **{f"HF_HUB_DISABLE_{switch}": "1" for switch in switches},
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
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Makes a repository without a client."""
        sdk = "gradio" if repo_type == "space" else None
        self.store.create(repo_id, repo_type, private=private, sdk=sdk)
        if files:
            self.put(repo_id, files, repo_type)

    def put(self, repo_id: str, files: Mapping[str, bytes], repo_type: RepoType = "model") -> None:
        """Commits files to main without a client."""
        self.store.put(self.repository(repo_id, repo_type), files)

    def exists(self, repo_id: str, repo_type: RepoType = "model") -> bool:
        return (repo_type, repo_id) in self.store.repositories

    def repository(self, repo_id: str, repo_type: RepoType = "model") -> Repository:
        return self.store.repositories[repo_type, repo_id]

    def commits(self, repo_id: str, repo_type: RepoType = "model") -> list[Commit]:
        """The history of main, newest first."""
        repository = self.repository(repo_id, repo_type)
        return list(repository.history(repository.head))

    def files(self, repo_id: str, repo_type: RepoType = "model") -> dict[str, bytes]:
        """The files of main, without the .gitattributes that every repository has."""
        entries = self.repository(repo_id, repo_type).head.files
        return {
            path: self.store.blobs.read(entry)
            for path, entry in entries.items()
            if path != ".gitattributes"
        }

    def asked(self, endpoint: str = "*", method: str = "*") -> list[Asked]:
        """The requests so far, oldest first."""
        return [
            asked
            for asked in self._app.log
            if endpoint in ("*", asked.endpoint) and method in ("*", asked.method)
        ]

    def forget(self) -> None:
        """Empties the log of requests."""
        self._app.log.clear()
