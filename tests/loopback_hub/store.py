"""What the loopback Hub keeps, in memory: repositories whose objects are git's."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Literal

RepoType = Literal["model", "dataset", "space"]

_LARGE = (
    *("7z", "arrow", "bin", "ckpt", "gz", "h5", "jpg", "jpeg", "gif", "mp4", "msgpack", "npy"),
    *("npz", "onnx", "parquet", "pickle", "pkl", "png", "pt", "pth", "safetensors", "tar", "tgz"),
    *("webp", "xz", "zip", "zst"),
)
# The file that every repository of the Hub begins with; what it lists is stored in LFS.
_GIT_ATTRIBUTES = "".join(
    f"{pattern} filter=lfs diff=lfs merge=lfs -text\n"
    for pattern in [*(f"*.{ending}" for ending in _LARGE), "*tfevents*"]
)
_LARGE_BYTES = 10_000_000
_SIGNED_AS = ("author", "committer")


@dataclass(frozen=True)
class Entry:
    """A file of a commit.

    `oid` names its git blob; for a file in LFS that blob is a pointer to the content, which
    `sha256` names.
    """

    size: int
    oid: str
    sha256: str | None = None
    pointer_size: int | None = None

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Commit:
    """A state of a repository."""

    sha: str
    parent: str | None
    title: str
    description: str
    author: str
    seconds: int
    files: Mapping[str, Entry]

    @property
    def date(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self.seconds))


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
        """The entry of an LFS object that has been uploaded; KeyError if it has not."""
        size = len(self.large[sha256])
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
        blob = self.add(pointer.encode())
        return Entry(size, blob.oid, sha256, pointer_size=blob.size)

    def read(self, entry: Entry) -> bytes:
        return self.large[entry.sha256] if entry.sha256 else self.git[entry.oid]


@dataclass
class Repository:
    """Commits, and the names that point at them."""

    repo_id: str
    repo_type: RepoType
    private: bool
    sdk: str | None
    hardware: str | None
    blobs: Blobs
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return self.repo_id.partition("/")[0]

    @property
    def head(self) -> Commit:
        return self.commits[self.branches["main"]]

    def resolve(self, revision: str) -> Commit | None:
        """The commit that a branch, a tag or a sha names."""
        return self.commits.get(self.branches.get(revision) or self.tags.get(revision) or revision)

    def history(self, commit: Commit) -> Iterable[Commit]:
        """`commit` and its ancestors, the newest first."""
        step: Commit | None = commit
        while step:
            yield step
            step = self.commits[step.parent] if step.parent else None

    def last_change(self, path: str, commit: Commit) -> Commit:
        """The commit that gave a file of `commit` its content."""
        changed = commit
        for step in self.history(commit):
            if step.files.get(path) != commit.files[path]:
                break
            changed = step
        return changed

    def commit(
        self,
        files: Mapping[str, Entry],
        title: str,
        *,
        author: str,
        branch: str = "main",
        description: str = "",
    ) -> Commit:
        """Makes `files` the whole content of the branch."""
        parent, seconds = self.branches.get(branch), int(time.time())
        message = f"{title}\n\n{description}" if description else title
        lines = [f"tree {tree_hash(files)}"]
        lines += [f"parent {parent}"] if parent else []
        lines += [f"{who} {author} <{author}@loopback> {seconds} +0000" for who in _SIGNED_AS]
        sha = git_hash("commit", ("\n".join(lines) + f"\n\n{message}\n").encode())
        made = Commit(
            sha, parent, title, description, author, seconds, MappingProxyType(dict(files))
        )
        self.commits[sha], self.branches[branch] = made, sha
        return made


class Store:
    """All repositories, by type and id."""

    def __init__(self) -> None:
        self.blobs = Blobs()
        self.repositories: dict[tuple[RepoType, str], Repository] = {}

    def create(
        self,
        repo_id: str,
        repo_type: RepoType = "model",
        *,
        private: bool = False,
        sdk: str | None = None,
        hardware: str | None = None,
    ) -> Repository:
        repository = Repository(repo_id, repo_type, private, sdk, hardware, self.blobs)
        attributes = {".gitattributes": self.blobs.add(_GIT_ATTRIBUTES.encode())}
        repository.commit(attributes, "initial commit", author=repository.owner)
        self.repositories[repo_type, repo_id] = repository
        return repository


def is_large(path: str, size: int) -> bool:
    """Whether the Hub wants a file in LFS."""
    name = PurePosixPath(path).name.lower()
    listed = any(fnmatch(name, line.split()[0]) for line in _GIT_ATTRIBUTES.splitlines())
    return listed or size > _LARGE_BYTES


def git_hash(kind: str, content: bytes) -> str:
    """The name that git gives an object."""
    return hashlib.sha1(f"{kind} {len(content)}\0".encode() + content).hexdigest()


def tree_hash(files: Mapping[str, Entry]) -> str:
    """The name that git gives a folder with these files, sub-folders included."""
    folders: dict[str, dict[str, Entry]] = {}
    lines: list[tuple[str, bytes]] = []
    for path, entry in files.items():
        name, _, rest = path.partition("/")
        if rest:
            folders.setdefault(name, {})[rest] = entry
        else:
            lines.append((name, f"100644 {name}\0".encode() + bytes.fromhex(entry.oid)))
    for name, content in folders.items():
        # git sorts a folder as if its name ended with a slash.
        line = f"40000 {name}\0".encode() + bytes.fromhex(tree_hash(content))
        lines.append((name + "/", line))
    return git_hash("tree", b"".join(line for _, line in sorted(lines)))
