"""One commit to a Hub repository that replaces and deletes only files that hf_gen wrote.

`.hf_gen.json` in the repository lists the files that hf_gen wrote, with their hashes: a file that
is not listed, or that has changed since, belongs to somebody else.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    RepoCard,
    SpaceHardware,
)

from hf_gen.errors import UserError, translate_hub_errors
from hf_gen.runs.update import MANIFEST, Hashes, read_manifest

# ZeroGPU, by its first name: what the Hub hosts without a subscription.
SPACE_HARDWARE = SpaceHardware.ZERO_A10G
_OF_THE_HUB = {".gitattributes", MANIFEST}
_LARGEST_MANIFEST = 10_000_000


@dataclass(frozen=True)
class _Contents:
    """A repository at one commit."""

    commit: str
    files: dict[str, str]  # the Hub's hash of each: git's, or the SHA-256 of a file in LFS
    listed: Hashes | None  # in the manifest, None without one
    is_new: bool  # holds only what the Hub itself puts into a new repository

    @property
    def written(self) -> Hashes:
        """The files that hf_gen wrote and nobody has changed since."""
        listed = self.listed or {}
        own = listed.keys() - _OF_THE_HUB
        return {path: listed[path] for path in own if self.files.get(path) in listed[path]}

    def check_overwrite(self, repo_id: str, paths: set[str] | None = None) -> None:
        """Raises `UserError` if a file at `paths` is not hf_gen's; without a manifest, any file."""
        others = self.files.keys() - self.written.keys() - _OF_THE_HUB
        if self.listed is not None:
            others &= paths or set()
        if others and not self.is_new:
            raise UserError(
                f"{repo_id} holds files that hf_gen did not write or that have changed since, such "
                f"as {min(others)}: choose another repository, or pass --overwrite (when training: "
                "--hub-overwrite) to replace files of the same names; other files are kept"
            )


def check_access(
    api: HfApi, repo_id: str, private: bool, repo_type: str = "model", overwrite: bool = False
) -> str:
    """Checks that a repository can be written, and creates it if it does not exist.

    Args:
        api: The client.
        repo_id: Such as user/name; a name alone is the user's own.
        private: Whether a new repository is hidden from others; an existing one keeps its settings.
        repo_type: model, dataset or space. A new Space gets ZeroGPU as its hardware.
        overwrite: Accept a repository that hf_gen did not write.

    Returns:
        The full name.

    Raises:
        UserError: If it holds files that hf_gen did not write, the Hub refuses, or it cannot be
            reached.
    """
    with translate_hub_errors(repo_id):
        user = api.whoami()["name"]
        name = repo_id if "/" in repo_id else f"{user}/{repo_id}"
        is_space = repo_type == "space"
        if api.repo_exists(name, repo_type=repo_type):
            api.auth_check(name, repo_type=repo_type, write=True)
        else:
            # Spaces have addresses of their own: a model of the same name does not matter.
            for other in () if is_space else ("model", "dataset", "space"):
                if api.repo_exists(name, repo_type=other):
                    raise UserError(f"{name} is a {other} on the Hub: choose another name")
            api.create_repo(
                name,
                repo_type=repo_type,
                private=private,
                exist_ok=True,
                space_sdk="gradio" if is_space else None,
                space_hardware=SPACE_HARDWARE if is_space else None,
            )
        if not overwrite:
            _read(name, api, repo_type).check_overwrite(name)
    return name


def push(
    write: Callable[[Path], object],
    card: RepoCard,
    repo_id: str,
    api: HfApi,
    message: str,
    overwrite: bool = False,
) -> str:
    """Uploads a card and the files beside it in one commit; returns its address.

    Files of earlier pushes that are no longer written are deleted in the same commit.

    Args:
        write: Writes the other files into a new folder.
        card: The README; the Hub validates it before anything is written.
        repo_id: An existing repository, of the card's type.
        api: The client.
        message: Of the commit.
        overwrite: As for `upload`, which raises the same errors.
    """
    with translate_hub_errors(repo_id):
        try:
            card.validate()
        except ValueError as error:
            raise UserError(f"the Hub refuses the card of {repo_id}: {error}") from error
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "repository"
        write(folder)
        card.save(folder / "README.md")
        return upload(folder, repo_id, api, message, card.repo_type, True, overwrite)


def upload(
    folder: Path,
    repo_id: str,
    api: HfApi,
    message: str,
    repo_type: str = "model",
    delete_stale: bool = False,
    overwrite: bool = False,
) -> str:
    """Uploads a folder in one commit, based on the commit that was checked; returns its address.

    Files that the repository has already are not uploaded again. (`upload_folder` would do, were it
    not for several commits where it uses Xet, between which a repository half loads.)

    Args:
        folder: What is uploaded.
        repo_id: An existing repository.
        api: The client.
        message: Of the commit.
        repo_type: model, dataset or space.
        delete_stale: Delete the files of earlier uploads that the folder does not hold.
        overwrite: Replace files of the same names that hf_gen did not write.

    Raises:
        UserError: If it would replace files that hf_gen did not write, the Hub refuses, or it
            cannot be reached.
    """
    files = {
        path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()
    }
    with translate_hub_errors(repo_id):
        contents = _read(repo_id, api, repo_type)
        if not overwrite:
            contents.check_overwrite(repo_id, {*files})
        written = {name: _hashes(path) for name, path in sorted(files.items())}
        stale = contents.written.keys() - files.keys() if delete_stale else set()
        kept = {name: contents.written[name] for name in contents.written.keys() - stale}
        manifest = json.dumps({"files": dict(sorted((kept | written).items()))}, indent=1) + "\n"
        commit = api.create_commit(
            repo_id,
            operations=[
                *(CommitOperationAdd(name, path) for name, path in files.items()),
                CommitOperationAdd(MANIFEST, manifest.encode()),
                *(CommitOperationDelete(name) for name in sorted(stale)),
            ],
            commit_message=message,
            repo_type=repo_type,
            parent_commit=contents.commit,
        )
    return commit.commit_url


def _read(repo_id: str, api: HfApi, repo_type: str) -> _Contents:
    info = api.repo_info(repo_id, repo_type=repo_type, files_metadata=True)
    siblings = {file.rfilename: file for file in getattr(info, "siblings", None) or []}
    files = {
        name: str(file.lfs.sha256 if file.lfs else file.blob_id) for name, file in siblings.items()
    }
    if info.sha is None:
        raise UserError(f"the Hub does not say at which commit {repo_id} is: try again later")
    listed = None
    if MANIFEST in siblings:
        if (siblings[MANIFEST].size or 0) > _LARGEST_MANIFEST:
            raise UserError(f"{MANIFEST} of {repo_id} is too large: choose another repository")
        path = api.hf_hub_download(repo_id, MANIFEST, repo_type=repo_type, revision=info.sha)
        listed = read_manifest(Path(path), f"{MANIFEST} of {repo_id}")
    # The Hub itself writes the README of a Space, and of what is created with a licence.
    is_new = (
        listed is None
        and files.keys() <= {".gitattributes", "README.md"}
        and len(api.list_repo_commits(repo_id, repo_type=repo_type)) == 1
    )
    return _Contents(info.sha, files, listed, is_new)


def _hashes(file: Path) -> list[str]:
    """The two names that the Hub may give its content: git's, and the SHA-256."""
    git, sha256 = hashlib.sha1(f"blob {file.stat().st_size}\0".encode()), hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(1 << 20):
            git.update(chunk)
            sha256.update(chunk)
    return [git.hexdigest(), sha256.hexdigest()]
