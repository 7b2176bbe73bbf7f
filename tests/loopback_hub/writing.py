"""The endpoints that change something: repositories, uploads and commits."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import Access, ErrorResponse, commit_of
from .cards import errors_of
from .store import Entry, Repository, RepoType, is_large


class Writing:
    """Responses that need the right to write."""

    def __init__(self, access: Access, url: str) -> None:
        self.access = access
        self.blobs = access.store.blobs
        self.url = url

    async def create(self, request: Request) -> Response:
        body = await request.json()
        repo_type: RepoType = body.get("type") or "model"
        namespace = body.get("organization") or self.access.logged_in(request).name
        self.access.check_write(request, namespace)
        repo_id = f"{namespace}/{body['name']}"
        url = f"{self.url}/{'' if repo_type == 'model' else f'{repo_type}s/'}{repo_id}"
        if (repo_type, repo_id) in self.access.store.repositories:
            raise ErrorResponse(409, f"You already created this {repo_type} repo", url=url)
        if repo_type == "space" and not body.get("sdk"):
            raise ErrorResponse(400, "A Space needs an sdk")
        self.access.store.create(
            repo_id,
            repo_type,
            private=body.get("visibility") == "private" or bool(body.get("private")),
            sdk=body.get("sdk"),
            hardware=body.get("hardware"),
        )
        return JSONResponse({"url": url, "id": repo_id})

    async def validate_yaml(self, request: Request) -> Response:
        body = await request.json()
        errors = errors_of(body["content"], body.get("repoType") or "model")
        found = {"errors": [{"message": one} for one in errors], "warnings": []}
        return JSONResponse(found, 400 if errors else 200)

    async def preupload(self, request: Request) -> Response:
        """Whether each file goes into the commit or into LFS, and what is at its path now."""
        commit = commit_of(self.access.writable(request), request)
        files = []
        for file in (await request.json())["files"]:
            mode = "lfs" if is_large(file["path"], file["size"]) else "regular"
            present = commit.files.get(file["path"])
            oid = {"oid": present.etag} if present else {}
            files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, **oid})
        return JSONResponse({"files": files, "commitOid": commit.sha})

    async def lfs_batch(self, request: Request) -> Response:
        """An address to upload to, or none for an object that has been uploaded before."""
        self.access.writable(request)
        objects: list[dict[str, Any]] = []
        for one in (await request.json())["objects"]:
            objects.append({"oid": one["oid"], "size": one["size"]})
            if one["oid"] not in self.blobs.large:
                upload = {"href": f"{self.url}/lfs/{one['oid']}", "header": {}}
                objects[-1]["actions"] = {"upload": upload}
        body = {"transfer": "basic", "objects": objects}
        return JSONResponse(body, media_type="application/vnd.git-lfs+json")

    async def lfs_upload(self, request: Request) -> Response:
        """Takes an object; like the Hub's storage it needs no token, the address is secret."""
        content, oid = await request.body(), request.path_params["oid"]
        if hashlib.sha256(content).hexdigest() != oid:
            raise ErrorResponse(400, "The content does not match its sha256")
        self.blobs.add_large(content)
        return Response()

    async def commit(self, request: Request) -> Response:
        """Applies all lines of the body in one commit, or none."""
        repository = self.access.writable(request)
        branch = unquote(request.path_params["revision"])
        lines = [json.loads(line) for line in (await request.body()).splitlines()]
        # Nothing is awaited from here on: no other commit can come between.
        if branch not in repository.branches:
            raise ErrorResponse(404, f"Invalid rev id: {branch} is no branch", "RevisionNotFound")
        header = next(line["value"] for line in lines if line["key"] == "header")
        parent = header.get("parentCommit")
        if parent and not repository.branches[branch].startswith(parent):
            raise ErrorResponse(412, "A commit has happened since: parentCommit is not the head")
        files = dict(commit_of(repository, request).files)
        for line in lines:
            self._apply(files, line["key"], line["value"])
        self._check_card(repository, files)
        made = repository.commit(files, header["summary"], branch)
        url = f"{self.url}/{repository.repo_id}/commit/{made.sha}"
        return JSONResponse({"success": True, "commitOid": made.sha, "commitUrl": url})

    def _check_card(self, repository: Repository, files: dict[str, Entry]) -> None:
        card = files.get("README.md")
        if card is None or card == repository.head.files.get("README.md"):
            return
        errors = errors_of(self.blobs.read(card).decode(), repository.repo_type)
        if errors:
            raise ErrorResponse(400, "Invalid metadata in README.md: " + "; ".join(errors))

    def _apply(self, files: dict[str, Entry], operation: str, value: dict[str, Any]) -> None:
        if operation == "file":
            files[value["path"]] = self.blobs.add(base64.b64decode(value["content"]))
        elif operation == "lfsFile":
            if value["oid"] not in self.blobs.large:
                raise ErrorResponse(400, f"LFS object {value['oid']} has not been uploaded")
            files[value["path"]] = self.blobs.large_entry(value["oid"])
        elif operation == "deletedFile" and files.pop(value["path"], None) is None:
            raise ErrorResponse(404, f"{value['path']} does not exist", "EntryNotFound")
