"""The endpoints that read: who am I, what is there, and the bytes of a file."""

import re
from typing import Any
from urllib.parse import parse_qs, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import PLURALS, Access, Refusal, commit_of
from .describing import described, information, inside_of, shown_for

_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


class Reading:
    """Answers that change nothing."""

    def __init__(self, access: Access, page_size: int) -> None:
        self.access = access
        self.page_size = page_size

    async def whoami(self, request: Request) -> Response:
        account = self.access.account(request)
        if account is None:
            raise Refusal(401, "Invalid username or password.")
        organizations = [
            {"type": "org", "name": name, "fullname": name, "roleInOrg": account.role}
            for name in account.organizations
        ]
        token = {"displayName": "loopback", "role": account.role}
        return JSONResponse(
            {
                "type": "user",
                "id": account.name,
                "name": account.name,
                "fullname": account.name,
                "orgs": organizations,
                "auth": {"type": "access_token", "accessToken": token},
            }
        )

    async def auth_check(self, request: Request) -> Response:
        self.access.repository(request)
        if request.url.path.endswith("/write"):
            self.access.writable(request)
        return JSONResponse({})

    async def search(self, request: Request) -> Response:
        account = self.access.account(request)
        repo_type = PLURALS[request.url.path.rpartition("/")[2]]
        author = request.query_params.get("author")
        word = request.query_params.get("search", "")
        found = [
            information(repository, repository.head, blobs=False)
            for (kind, repo_id), repository in self.access.store.repositories.items()
            if kind == repo_type
            and word in repo_id
            and author in (None, repository.owner)
            and (not repository.private or (account and account.owns(repository.owner)))
        ]
        return self._page(request, found)

    async def info(self, request: Request) -> Response:
        repository = self.access.repository(request)
        blobs = _is_true(request.query_params.get("blobs"))
        return JSONResponse(information(repository, commit_of(repository, request), blobs))

    async def tree(self, request: Request) -> Response:
        repository = self.access.repository(request)
        commit = commit_of(repository, request)
        folder = unquote(request.path_params.get("path", "")).strip("/")
        start = f"{folder}/" if folder else ""
        inside = [path for path in sorted(commit.files) if path.startswith(start)]
        if folder and not inside:
            raise Refusal(404, f"{folder} does not exist on this revision", "EntryNotFound")
        recursive = _is_true(request.query_params.get("recursive"))
        expand = _is_true(request.query_params.get("expand"))
        shown = dict.fromkeys(
            ancestor for path in inside for ancestor in shown_for(path, len(start), every=recursive)
        )
        return self._page(request, [described(repository, commit, path, expand) for path in shown])

    async def paths_info(self, request: Request) -> Response:
        repository = self.access.repository(request)
        commit = commit_of(repository, request)
        asked = parse_qs((await request.body()).decode())
        expand = _is_true(asked.get("expand", [""])[0])
        return JSONResponse(
            [
                described(repository, commit, path, expand)
                for path in asked.get("paths", [])
                if path in commit.files or inside_of(commit, path)
            ]
        )

    async def refs(self, request: Request) -> Response:
        repository = self.access.repository(request)
        listed = {
            kind: [
                {"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": sha}
                for name, sha in names.items()
            ]
            for kind, folder, names in (
                ("branches", "heads", repository.branches),
                ("tags", "tags", repository.tags),
            )
        }
        return JSONResponse({**listed, "converts": [], "pullRequests": []})

    async def commits(self, request: Request) -> Response:
        repository = self.access.repository(request)
        listed = [
            {
                "id": commit.sha,
                "title": commit.title,
                "message": commit.description,
                "date": commit.date,
                "authors": [{"user": commit.author}],
            }
            for commit in repository.history(commit_of(repository, request))
        ]
        return self._page(request, listed)

    async def resolve(self, request: Request) -> Response:
        """A file, or the part of it that Range asks for; its headers alone for HEAD."""
        repository = self.access.repository(request)
        commit = commit_of(repository, request)
        headers = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}
        entry = commit.files.get(unquote(request.path_params["path"]))
        if entry is None:
            # With the commit in its headers the client remembers that there is no such file.
            raise Refusal(404, "Entry not found", "EntryNotFound", headers)
        headers["ETag"] = f'"{entry.etag}"'
        if entry.sha256:
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(entry.size)}
        return _content(request, repository.blobs.read(entry), headers)

    def _page(self, request: Request, found: list[dict[str, Any]]) -> Response:
        """A page of a list, and in its header Link the address of the next one."""
        start = int(request.query_params.get("cursor", 0))
        limit = min(int(request.query_params.get("limit", self.page_size)), self.page_size)
        end, headers = start + limit, {}
        if end < len(found):
            headers["Link"] = f'<{request.url.include_query_params(cursor=end)}>; rel="next"'
        return JSONResponse(found[start:end], headers=headers)


def _is_true(flag: str | None) -> bool:
    return (flag or "").lower() in ("1", "true")


def _content(request: Request, content: bytes, headers: dict[str, str]) -> Response:
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(len(content))})
    asked = _RANGE.match(request.headers.get("range", ""))
    if not asked or asked.groups() == ("", ""):
        return Response(content, headers=headers)
    first, last = asked.groups()
    start = int(first) if first else max(len(content) - int(last), 0)
    end = min(int(last) + 1, len(content)) if first and last else len(content)
    if start >= end:
        outside = {"Content-Range": f"bytes */{len(content)}"}
        raise Refusal(416, "Range not satisfiable", headers=outside)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return Response(content[start:end], 206, headers)
