"""The endpoints that change something: repositories, uploads, commits, branches and tags."""

import base64
import hashlib
import json
from typing import Any
from urllib.parse import unquote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from .access import Access, Refusal, commit_of
from .cards import errors_of, warnings_of
from .store import Entry, Repository, RepoType, is_large


class Writing:
    """Answers that need the right to write."""

    def __init__(self, access: Access, url: str, large_files: bool) -> None:
        self.access = access
        self.blobs = access.store.blobs
        self.url = url
        self.large_files = large_files

    async def create(self, request: Request) -> Response:
        asked = await request.json()
        repo_type: RepoType = asked.get("type") or "model"
        namespace = self.access.namespace(
            request, asked.get("organization"), f"create a {repo_type}"
        )
        repo_id = f"{namespace}/{asked['name']}"
        folder = "" if repo_type == "model" else f"{repo_type}s/"
        url = f"{self.url}/{folder}{repo_id}"
        if (repo_type, repo_id) in self.access.store.repositories:
            raise Refusal(409, f"You already created this {repo_type} repo", url=url)
        if repo_type == "space" and not asked.get("sdk"):
            raise Refusal(400, "A Space needs an sdk")
        self.access.store.create(
            repo_id,
            repo_type,
            private=asked.get("visibility") == "private" or bool(asked.get("private")),
            sdk=asked.get("sdk"),
            hardware=asked.get("hardware"),
        )
        return JSONResponse({"url": url, "name": repo_id, "id": repo_id})

    async def delete(self, request: Request) -> Response:
        asked = await request.json()
        repo_type: RepoType = asked.get("type") or "model"
        namespace = self.access.namespace(
            request, asked.get("organization"), f"delete a {repo_type}"
        )
        key = (repo_type, f"{namespace}/{asked['name']}")
        if key not in self.access.store.repositories:
            raise Refusal(404, "Repository not found", "RepoNotFound")
        del self.access.store.repositories[key]
        return JSONResponse({})

    async def validate_yaml(self, request: Request) -> Response:
        asked = await request.json()
        errors = errors_of(asked["content"], asked.get("repoType") or "model")
        warnings = [] if errors else warnings_of(asked["content"])
        body = {
            "errors": [{"message": message} for message in errors],
            "warnings": [{"message": message} for message in warnings],
        }
        return JSONResponse(body, 400 if errors else 200)

    async def preupload(self, request: Request) -> Response:
        """Says of each file whether it goes into the commit or into LFS, and what is there now."""
        repository, _ = self.access.writable(request)
        commit = commit_of(repository, request)
        files = []
        for file in (await request.json())["files"]:
            large = self.large_files and is_large(file["path"], file["size"])
            present = commit.files.get(file["path"])
            answer = {
                "path": file["path"],
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": False,
            }
            files.append({**answer, **({"oid": present.etag} if present else {})})
        return JSONResponse({"files": files, "commitOid": commit.sha})

    async def lfs_batch(self, request: Request) -> Response:
        """Gives an address to upload to, or none for an object that is here already."""
        self.access.writable(request)
        objects = []
        for asked in (await request.json())["objects"]:
            answer: dict[str, Any] = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.blobs.large:
                href = f"{self.url}/lfs/{asked['oid']}"
                answer["actions"] = {
                    "upload": {"href": href, "header": {}},
                    "verify": {"href": f"{href}/verify", "header": {}},
                }
            objects.append(answer)
        body = {"transfer": "basic", "objects": objects}
        return JSONResponse(body, media_type="application/vnd.git-lfs+json")

    async def lfs_upload(self, request: Request) -> Response:
        """Takes an object; like the Hub's storage it asks for no token, the address is secret."""
        content, oid = await request.body(), request.path_params["oid"]
        if hashlib.sha256(content).hexdigest() != oid:
            raise Refusal(400, "The content does not match its sha256")
        self.blobs.add_large(content)
        return Response()

    async def lfs_verify(self, request: Request) -> Response:
        asked = await request.json()
        stored = self.blobs.large.get(asked["oid"])
        if stored is None or len(stored) != asked["size"]:
            raise Refusal(404, "Object not found")
        return JSONResponse({})

    async def commit(self, request: Request) -> Response:
        """Does all that the lines of the body say, in one commit, or nothing."""
        repository, account = self.access.writable(request)
        branch = unquote(request.path_params["revision"])
        if request.query_params.get("create_pr"):
            raise Refusal(501, "The loopback Hub has no pull requests")
        lines = [json.loads(line) for line in (await request.body()).splitlines()]
        # Nothing is awaited from here on: no other commit can come between.
        if branch not in repository.branches:
            raise Refusal(404, f"Invalid rev id: {branch} is no branch", "RevisionNotFound")
        header = next(line["value"] for line in lines if line["key"] == "header")
        parent = header.get("parentCommit")
        if parent and not repository.branches[branch].startswith(parent):
            raise Refusal(412, "A commit has happened since: parentCommit is not the head")
        files = dict(commit_of(repository, request).files)
        for line in lines:
            self._apply(files, line["key"], line["value"])
        self._check_card(repository, files)
        made = repository.commit(
            files,
            header["summary"],
            author=account.name,
            branch=branch,
            description=header.get("description") or "",
        )
        url = f"{self.url}/{repository.repo_id}/commit/{made.sha}"
        return JSONResponse({"success": True, "commitOid": made.sha, "commitUrl": url})

    def _check_card(self, repository: Repository, files: dict[str, Entry]) -> None:
        card = files.get("README.md")
        if card is None or card == repository.head.files.get("README.md"):
            return
        errors = errors_of(self.blobs.read(card).decode(), repository.repo_type)
        if errors:
            raise Refusal(400, "Invalid metadata in README.md: " + "; ".join(errors))

    def _apply(self, files: dict[str, Entry], operation: str, value: dict[str, Any]) -> None:
        if operation == "file":
            files[value["path"]] = self.blobs.add(base64.b64decode(value["content"]))
        elif operation == "lfsFile":
            if value["oid"] not in self.blobs.large:
                raise Refusal(400, f"LFS object {value['oid']} has not been uploaded")
            files[value["path"]] = self.blobs.large_entry(value["oid"])
        elif operation == "deletedFile":
            if files.pop(value["path"], None) is None:
                raise Refusal(404, f"{value['path']} does not exist", "EntryNotFound")
        elif operation == "deletedFolder":
            start = value["path"].rstrip("/") + "/"
            for path in [path for path in files if path.startswith(start)]:
                del files[path]

    async def branch(self, request: Request) -> Response:
        repository, _ = self.access.writable(request)
        name = unquote(request.path_params["revision"])
        if request.method == "DELETE":
            return _forget(repository.branches, name)
        asked = json.loads(await request.body() or b"{}")
        if name in repository.branches:
            raise Refusal(409, f"Reference already exists: {name}")
        start = repository.resolve(asked.get("startingPoint") or "main")
        if start is None:
            raise Refusal(404, "Invalid rev id", "RevisionNotFound")
        repository.branches[name] = start.sha
        return JSONResponse({})

    async def tag(self, request: Request) -> Response:
        """POST names the revision to tag in its path and the tag in its body; DELETE the tag."""
        repository, _ = self.access.writable(request)
        if request.method == "DELETE":
            return _forget(repository.tags, unquote(request.path_params["revision"]))
        name = (await request.json())["tag"]
        if name in repository.tags:
            raise Refusal(409, f"Tag reference exists already: {name}")
        repository.tags[name] = commit_of(repository, request).sha
        return JSONResponse({})


def _forget(names: dict[str, str], name: str) -> Response:
    if name == "main":
        raise Refusal(403, "Cannot delete the default branch")
    if names.pop(name, None) is None:
        raise Refusal(404, f"Invalid rev id: {name}", "RevisionNotFound")
    return JSONResponse({})


def put(repository: Repository, files: dict[str, bytes], title: str) -> str:
    """Commits files without a client, as a test's starting point; returns the sha."""
    blobs = repository.blobs
    entries = {
        path: blobs.add_large(content) if is_large(path, len(content)) else blobs.add(content)
        for path, content in files.items()
    }
    merged = {**repository.head.files, **entries}
    return repository.commit(merged, title, author=repository.owner).sha
