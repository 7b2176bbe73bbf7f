"""The content of the loopback Hub, in memory: repositories, their commits and files."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Literal

RepoType = Literal["model", "dataset", "space"]

_LARGE = (
    *("7z", "arrow", "bin", "ckpt", "gz", "h5", "jpg", "jpeg", "gif", "mp4", "msgpack", "npy"),
    *("npz", "onnx", "parquet", "pickle", "pkl", "png", "pt", "pth", "safetensors", "tar", "tgz"),
    *("webp", "xz", "zip", "zst"),
)
_PATTERNS = (*(f"*.{suffix}" for suffix in _LARGE), "*tfevents*")
# Every repository of the Hub begins with this file; what it lists is stored in LFS.
_GIT_ATTRIBUTES = "".join(f"{one} filter=lfs diff=lfs merge=lfs -text\n" for one in _PATTERNS)
_LARGE_BYTES = 10_000_000
_STATIC_SPACE = {
    "README.md": b"---\ntitle: A Space\nsdk: static\n---\n",
    "index.html": b"<!doctype html><h1>Welcome to your static Space!</h1>\n",
    "style.css": b"body { padding: 2rem; }\n",
}
"""The welcome page that a new static Space begins with."""


@dataclass(frozen=True)
class Entry:
    """A file of a commit: `oid` is its git blob's hash; of a file in LFS, that of the pointer."""

    size: int
    oid: str
    sha256: str | None = None

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Commit:
    sha: str
    parent: str | None
    title: str
    date: str
    files: Mapping[str, Entry]


class Blobs:
    """Contents by their hash, shared by all repositories."""

    def __init__(self) -> None:
        self.git: dict[str, bytes] = {}
        self.large: dict[str, bytes] = {}

    def add(self, content: bytes) -> Entry:
        oid = git_hash("blob", content)
        self.git[oid] = content
        return Entry(len(content), oid)

    def add_large(self, content: bytes) -> Entry:
        sha256 = hashlib.sha256(content).hexdigest()
        self.large[sha256] = content
        return self.large_entry(sha256)

    def large_entry(self, sha256: str) -> Entry:
        """The entry of an uploaded LFS object."""
        size = len(self.large[sha256])
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        return Entry(size, git_hash("blob", pointer.encode()), sha256)

    def read(self, entry: Entry) -> bytes:
        return self.large[entry.sha256] if entry.sha256 else self.git[entry.oid]


@dataclass
class Repository:
    """Commits by their hash, and branches that name some of them."""

    repo_id: str
    repo_type: RepoType
    private: bool
    sdk: str | None
    hardware: str | None
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.repo_id.partition("/")[0]

    @property
    def head(self) -> Commit:
        return self.commits[self.branches["main"]]

    def resolve(self, revision: str) -> Commit | None:
        """The commit of a branch or a hash."""
        return self.commits.get(self.branches.get(revision, revision))

    def history(self, commit: Commit) -> Iterable[Commit]:
        """`commit` and its ancestors, newest first."""
        step: Commit | None = commit
        while step:
            yield step
            step = self.commits[step.parent] if step.parent else None

    def commit(self, files: Mapping[str, Entry], title: str, branch: str = "main") -> Commit:
        """Makes `files` the content of a branch."""
        parent = self.branches.get(branch)
        date = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
        described = f"{parent} {title} {date} {sorted(files.items())}"
        made = Commit(git_hash("commit", described.encode()), parent, title, date, files)
        self.commits[made.sha], self.branches[branch] = made, made.sha
        return made


class Store:
    """All repositories, by type and id."""

    def __init__(self) -> None:
        self.blobs = Blobs()
        self.repositories: dict[tuple[RepoType, str], Repository] = {}

    def create(
        self,
        repo_id: str,
        repo_type: RepoType,
        *,
        private: bool = False,
        sdk: str | None = None,
        hardware: str | None = None,
    ) -> Repository:
        repository = Repository(repo_id, repo_type, private, sdk, hardware)
        first = {".gitattributes": _GIT_ATTRIBUTES.encode()}
        first |= _STATIC_SPACE if sdk == "static" else {}
        added = {path: self.blobs.add(content) for path, content in first.items()}
        repository.commit(added, "initial commit")
        self.repositories[repo_type, repo_id] = repository
        return repository

    def put(self, repository: Repository, files: Mapping[str, bytes]) -> Commit:
        """Commits files to main."""
        blobs = self.blobs
        entries = {
            path: blobs.add_large(content) if is_large(path, len(content)) else blobs.add(content)
            for path, content in files.items()
        }
        merged = {**repository.head.files, **entries}
        return repository.commit(merged, "Upload files")


def is_large(path: str, size: int) -> bool:
    """Whether the Hub wants a file in LFS."""
    name = PurePosixPath(path).name.lower()
    return size > _LARGE_BYTES or any(fnmatch(name, pattern) for pattern in _PATTERNS)


def git_hash(kind: str, content: bytes) -> str:
    """The name that git gives an object."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()
