"""The endpoints that read: the account, repositories, their listings and files."""

import re
from typing import Any
from urllib.parse import parse_qs, unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import Access, ErrorResponse, commit_of
from .cards import metadata_of
from .store import Blobs, Commit, Entry, Repository, git_hash

_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class Reading:
    """Responses that change nothing."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.blobs = access.store.blobs

    async def whoami(self, request: Request) -> Response:
        account = self.access.logged_in(request)
        token = {"displayName": "loopback", "role": account.role}
        auth = {"type": "access_token", "accessToken": token}
        return JSONResponse({"type": "user", "name": account.name, "orgs": [], "auth": auth})

    async def auth_check(self, request: Request) -> Response:
        self.access.repository(request)
        if request.url.path.endswith("/write"):
            self.access.writable(request)
        return JSONResponse({})

    async def info(self, request: Request) -> Response:
        repository = self.access.repository(request)
        with_blobs = request.query_params.get("blobs", "").lower() in ("1", "true")
        commit = commit_of(repository, request)
        return JSONResponse(_information(repository, commit, self.blobs, with_blobs))

    async def tree(self, request: Request) -> Response:
        commit = commit_of(self.access.repository(request), request)
        folder = unquote(request.path_params.get("path", "")).strip("/")
        start = f"{folder}/" if folder else ""
        inside = [path for path in sorted(commit.files) if path.startswith(start)]
        if folder and not inside:
            raise ErrorResponse(404, f"{folder} does not exist", "EntryNotFound")
        is_recursive = request.query_params.get("recursive", "").lower() in ("1", "true")
        shown: dict[str, None] = {}
        for path in inside:
            cuts = [place for place in range(len(start), len(path)) if path[place] == "/"]
            lines = [*(path[:cut] for cut in cuts), path]
            shown |= dict.fromkeys(lines if is_recursive else lines[:1])
        return JSONResponse([_line(commit, path) for path in shown])

    async def paths_info(self, request: Request) -> Response:
        commit = commit_of(self.access.repository(request), request)
        paths = parse_qs((await request.body()).decode()).get("paths", [])
        found = [p for p in paths if p in commit.files or _inside(commit, p)]
        return JSONResponse([_line(commit, path) for path in found])

    async def commits(self, request: Request) -> Response:
        repository = self.access.repository(request)
        history = repository.history(commit_of(repository, request))
        lines = ({"id": one.sha, "title": one.title, "date": one.date} for one in history)
        return JSONResponse([{**line, "message": "", "authors": []} for line in lines])

    async def resolve(self, request: Request) -> Response:
        """A file, or the part of it in the Range header; its headers alone for HEAD."""
        commit = commit_of(self.access.repository(request), request)
        headers = {"X-Repo-Commit": commit.sha, "Accept-Ranges": "bytes"}
        entry = commit.files.get(unquote(request.path_params["path"]))
        if entry is None:
            # With the commit in its headers the client remembers that there is no such file.
            raise ErrorResponse(404, "Entry not found", "EntryNotFound", headers)
        headers["ETag"] = f'"{entry.etag}"'
        if entry.sha256:
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(entry.size)}
        if request.method == "HEAD":
            return Response(headers={**headers, "Content-Length": str(entry.size)})
        content = self.blobs.read(entry)
        part = _RANGE.fullmatch(request.headers.get("range", ""))
        if part is None:
            return Response(content, headers=headers)
        start, end = int(part[1]), min(int(part[2] or entry.size) + 1, entry.size)
        if start >= end:
            outside = {"Content-Range": f"bytes */{entry.size}"}
            raise ErrorResponse(416, "Range not satisfiable", headers=outside)
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{entry.size}"
        return Response(content[start:end], 206, headers)


def _information(
    repository: Repository, commit: Commit, blobs: Blobs, with_blobs: bool
) -> dict[str, Any]:
    """A repository at a commit; `with_blobs`, with the sizes and hashes of its files."""
    readme = commit.files.get("README.md")
    card = metadata_of(blobs.read(readme).decode()) if readme else {}
    shown = ("pipeline_tag", "library_name", "model-index")
    described = {
        "id": repository.repo_id,
        "sha": commit.sha,
        "private": repository.private,
        "gated": False,
        "tags": card.get("tags") or [],
        "cardData": card,
        "lastModified": commit.date,
        "siblings": [
            {"rfilename": path, **(_sibling(entry) if with_blobs else {})}
            for path, entry in sorted(commit.files.items())
        ],
        **{key: card[key] for key in shown if key in card},
    }
    if repository.sdk:
        hardware = {"current": None, "requested": repository.hardware}
        described |= {"sdk": repository.sdk, "runtime": {"stage": "BUILDING", "hardware": hardware}}
    return described


def _sibling(entry: Entry) -> dict[str, Any]:
    large = {"sha256": entry.sha256, "size": entry.size, "pointerSize": 130}
    lfs = {"lfs": large} if entry.sha256 else {}
    return {"blobId": entry.oid, "size": entry.size, **lfs}


def _line(commit: Commit, path: str) -> dict[str, Any]:
    """A line of a listing: a file or a folder."""
    entry = commit.files.get(path)
    if entry is None:
        oid = git_hash("tree", repr(_inside(commit, path)).encode())
        return {"path": path, "type": "directory", "size": 0, "oid": oid}
    large = {"oid": entry.sha256, "size": entry.size, "pointerSize": 130}
    lfs = {"lfs": large} if entry.sha256 else {}
    return {"path": path, "type": "file", "size": entry.size, "oid": entry.oid, **lfs}


def _inside(commit: Commit, folder: str) -> list[tuple[str, Entry]]:
    start = folder.rstrip("/") + "/"
    return sorted(item for item in commit.files.items() if item[0].startswith(start))
