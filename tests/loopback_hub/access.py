"""Who asks, what they may do, and the errors of the Hub as `huggingface_hub` reads them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse

from .store import Commit, Repository, RepoType, Store

PLURALS: Mapping[str, RepoType] = {"models": "model", "datasets": "dataset", "spaces": "space"}


class Refusal(Exception):
    """An error answer.

    The client turns the header X-Error-Code into its exceptions (RepoNotFound, RevisionNotFound,
    EntryNotFound, GatedRepo) and shows X-Error-Message to the user.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
        **details: object,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": message, **details}
        self.headers = {
            "X-Error-Message": message.partition("\n")[0],
            **({"X-Error-Code": code} if code else {}),
            **(headers or {}),
        }

    def answer(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers)


@dataclass(frozen=True)
class Account:
    """The holder of a token."""

    name: str
    role: Literal["read", "write"]
    organizations: tuple[str, ...] = ()

    def owns(self, namespace: str) -> bool:
        return namespace in (self.name, *self.organizations)


class Access:
    """The rules of the Hub about tokens, private repositories and rights to write."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._accounts: dict[str, Account] = {}

    def add(self, account: Account) -> str:
        """Makes a token of a new name for the account."""
        token = f"hf_{secrets.token_hex(17)}"
        self._accounts[token] = account
        return token

    def account(self, request: Request) -> Account | None:
        """Who asks, None without a token; refuses a token that does not exist."""
        header = request.headers.get("authorization", "")
        if not header:
            return None
        account = self._accounts.get(header.removeprefix("Bearer "))
        if account is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return account

    def name_of(self, authorization: str) -> str | None:
        """For the log: the holder and the role of a token, never the token itself."""
        if not authorization:
            return None
        account = self._accounts.get(authorization.removeprefix("Bearer "))
        return f"{account.name} ({account.role})" if account else "unknown token"

    def repository(self, request: Request) -> Repository:
        """The repository that a path names, if whoever asks may read it.

        A private one looks like one that does not exist: 401 to the anonymous, 404 to others.
        """
        account = self.account(request)
        repo_id = "{owner}/{name}".format(**request.path_params)
        repository = self.store.repositories.get((repo_type_of(request), repo_id))
        if repository and (not repository.private or (account and account.owns(repository.owner))):
            return repository
        if account is None:
            raise Refusal(401, "Invalid username or password.", "RepoNotFound")
        raise Refusal(404, "Repository not found", "RepoNotFound")

    def writable(self, request: Request) -> tuple[Repository, Account]:
        """The repository that a path names, if whoever asks may write to it."""
        repository, account = self.repository(request), self.account(request)
        if account is None:
            raise Refusal(401, "Invalid username or password.")
        if account.role == "read" or not account.owns(repository.owner):
            raise Refusal(403, "Authorization error: this token may not write to this repository")
        return repository, account

    def namespace(self, request: Request, organization: str | None, what: str) -> str:
        """The namespace to create or delete in; refuses those of others and read-only tokens."""
        account = self.account(request)
        if account is None:
            raise Refusal(401, "Invalid username or password.")
        namespace = organization or account.name
        if account.role == "read" or not account.owns(namespace):
            raise Refusal(
                403, f'You don\'t have the rights to {what} under the namespace "{namespace}"'
            )
        return namespace


def repo_type_of(request: Request) -> RepoType:
    """The type that a path names: /api/datasets/…, /datasets/…, or no word for a model."""
    first, second, *_ = [*request.url.path.strip("/").split("/"), ""]
    return PLURALS.get(second if first == "api" else first, "model")


def commit_of(repository: Repository, request: Request) -> Commit:
    """The commit that a path names, main if it names none."""
    revision = unquote(request.path_params.get("revision", "main"))
    commit = repository.resolve(revision)
    if commit is None:
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit
