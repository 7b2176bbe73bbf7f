"""Repositories, files and folders in the words of the Hub's JSON."""

from typing import Any

from .cards import metadata_of
from .store import Commit, Entry, Repository, tree_hash


def information(repository: Repository, commit: Commit, blobs: bool) -> dict[str, Any]:
    """A repository at a commit; with `blobs`, the sizes and hashes of its files."""
    card = metadata_of(_card(repository, commit))
    return {
        "_id": commit.sha[:24],
        "id": repository.repo_id,
        "author": repository.owner,
        "sha": commit.sha,
        "private": repository.private,
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": card.get("tags") or [],
        "cardData": card,
        "createdAt": [*repository.history(commit)][-1].date,
        "lastModified": commit.date,
        "siblings": [
            {"rfilename": path, **(_sibling(entry) if blobs else {})}
            for path, entry in sorted(commit.files.items())
        ],
        **{
            key: card[key] for key in ("pipeline_tag", "library_name", "model-index") if key in card
        },
        **({"sdk": repository.sdk} if repository.sdk else {}),
        **({"runtime": _runtime(repository)} if repository.sdk else {}),
    }


def _runtime(repository: Repository) -> dict[str, Any]:
    """A Space that has not been built, which here none is."""
    return {"stage": "BUILDING", "hardware": {"current": None, "requested": repository.hardware}}


def _card(repository: Repository, commit: Commit) -> str:
    entry = commit.files.get("README.md")
    return repository.blobs.read(entry).decode() if entry else ""


def _sibling(entry: Entry) -> dict[str, Any]:
    line: dict[str, Any] = {"blobId": entry.oid, "size": entry.size}
    if entry.sha256:
        large = {"sha256": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        line["lfs"] = large
    return line


def described(repository: Repository, commit: Commit, path: str, expand: bool) -> dict[str, Any]:
    """A line of a listing: a file or a folder; expanded, with the commit that changed it last."""
    entry, inside = commit.files.get(path), inside_of(commit, path)
    line: dict[str, Any] = {"path": path}
    if entry is None:
        line |= {"type": "directory", "size": 0, "oid": tree_hash(inside)}
    else:
        line |= {"type": "file", "size": entry.size, "oid": entry.oid}
    if entry and entry.sha256:
        large = {"oid": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        line["lfs"] = large
    if expand:
        paths = [path] if entry else [f"{path}/{below}" for below in inside]
        changes = {repository.last_change(below, commit).sha for below in paths}
        change = next(step for step in repository.history(commit) if step.sha in changes)
        line["lastCommit"] = {"id": change.sha, "title": change.title, "date": change.date}
    return line


def inside_of(commit: Commit, folder: str) -> dict[str, Entry]:
    """The files of a folder, by their paths in it."""
    start = folder.rstrip("/") + "/"
    return {
        path.removeprefix(start): entry
        for path, entry in commit.files.items()
        if path.startswith(start)
    }


def shown_for(path: str, start: int, every: bool) -> list[str]:
    """What a listing from `start` on shows for a path: its folders and itself, or the first."""
    cuts = [index for index in range(start, len(path)) if path[index] == "/"]
    shown = [*(path[:cut] for cut in cuts), path]
    return shown if every else shown[:1]
