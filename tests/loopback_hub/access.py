"""Tokens and their rights, and the errors of the Hub as `huggingface_hub` reads them."""

from collections.abc import Mapping
from typing import Literal, NamedTuple
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse

from .store import Commit, Repository, RepoType, Store

PLURALS: Mapping[str, RepoType] = {"models": "model", "datasets": "dataset", "spaces": "space"}


class ErrorResponse(Exception):
    """An error, raised by an endpoint.

    The client turns the header X-Error-Code into its exceptions (RepoNotFound, RevisionNotFound,
    EntryNotFound, GatedRepo) and shows X-Error-Message to the user.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **details: str,
    ) -> None:
        super().__init__(message)
        codes = {"X-Error-Code": code} if code else {}
        self.response = JSONResponse(
            {"error": message, **details},
            status,
            {"X-Error-Message": message, **codes, **(headers or {})},
        )


class Account(NamedTuple):
    name: str
    role: Literal["read", "write"]


class Access:
    """The rules of the Hub about tokens, private repositories and rights to write."""

    def __init__(self, store: Store, accounts: Mapping[str, Account]) -> None:
        self.store = store
        self._accounts = accounts

    def account(self, request: Request) -> Account | None:
        """The account of a request, None without a token."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token and token not in self._accounts:
            raise ErrorResponse(401, "Invalid credentials in Authorization header")
        return self._accounts.get(token)

    def logged_in(self, request: Request) -> Account:
        account = self.account(request)
        if account is None:
            raise ErrorResponse(401, "Invalid username or password.")
        return account

    def repository(self, request: Request) -> Repository:
        """The repository that a path names, if the account may read it."""
        account = self.account(request)
        repo_id = "{owner}/{name}".format(**request.path_params)
        repository = self.store.repositories.get((repo_type_of(request), repo_id))
        if repository and (
            not repository.private or (account and account.name == repository.owner)
        ):
            return repository
        if account is None:
            raise ErrorResponse(401, "Invalid username or password.", "RepoNotFound")
        raise ErrorResponse(404, "Repository not found", "RepoNotFound")

    def writable(self, request: Request) -> Repository:
        """The repository that a path names, if the account may write to it."""
        repository = self.repository(request)
        self.check_write(request, repository.owner)
        return repository

    def check_write(self, request: Request, namespace: str) -> None:
        account = self.logged_in(request)
        if account.role == "read" or account.name != namespace:
            message = f"this token has no right to write under the namespace {namespace!r}"
            raise ErrorResponse(403, f"Authorization error: {message}")


def repo_type_of(request: Request) -> RepoType:
    """The type that a path names: /api/datasets/…, /datasets/…, or no word for a model."""
    first, second, *_ = [*request.url.path.strip("/").split("/"), ""]
    return PLURALS.get(second if first == "api" else first, "model")


def commit_of(repository: Repository, request: Request) -> Commit:
    """The commit that a path names, main if it names none."""
    revision = unquote(request.path_params.get("revision", "main"))
    commit = repository.resolve(revision)
    if commit is None:
        raise ErrorResponse(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit
