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
from typing import Literal, NamedTuple, Self

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
SpaceSDK = Literal["static", "gradio"]
_OF_THE_HUB = {".gitattributes", MANIFEST}
# The first commit of a repository may have them: its card, and the welcome page of a static Space.
_FIRST_FILES = {"README.md", "index.html", "style.css"}
_LARGEST_MANIFEST = 10_000_000


class _Contents(NamedTuple):
    """A repository at one commit."""

    commit: str
    written: Hashes  # the files that hf_gen wrote and nobody has changed since
    others: set[str]  # those that somebody else wrote or changed
    has_manifest: bool


@dataclass(frozen=True)
class Repository:
    """A repository on the Hub that can be written.

    Attributes:
        api: The client.
        name: Such as user/name.
        kind: model, dataset or space.
        overwrite: Whether files of the same names that hf_gen did not write are replaced.
    """

    api: HfApi
    name: str
    kind: str = "model"
    overwrite: bool = False

    @classmethod
    def open(
        cls,
        api: HfApi,
        name: str,
        private: bool,
        kind: str = "model",
        overwrite: bool = False,
        sdk: SpaceSDK = "static",
    ) -> Self:
        """Checks that a repository can be written, and creates it if it does not exist.

        Args:
            api: The client.
            name: Such as user/name; a name alone is the user's own.
            private: Whether a new repository is hidden; an existing one keeps its settings.
            kind: model, dataset or space.
            overwrite: Accept a repository that hf_gen did not write.
            sdk: Of a new Space. One of Gradio gets ZeroGPU as its hardware.

        Raises:
            UserError: If it holds files that hf_gen did not write, the Hub refuses, or it cannot be
                reached.
        """
        with translate_hub_errors(name):
            user = api.whoami()["name"]
            name = name if "/" in name else f"{user}/{name}"
            is_space = kind == "space"
            if api.repo_exists(name, repo_type=kind):
                api.auth_check(name, repo_type=kind, write=True)
            else:
                # Spaces have addresses of their own: a model of the same name does not matter.
                for other in () if is_space else ("model", "dataset", "space"):
                    if api.repo_exists(name, repo_type=other):
                        raise UserError(f"{name} is a {other} on the Hub: choose another name")
                api.create_repo(
                    name,
                    repo_type=kind,
                    private=private,
                    exist_ok=True,
                    space_sdk=sdk if is_space else None,
                    space_hardware=SPACE_HARDWARE if is_space and sdk == "gradio" else None,
                )
            repository = cls(api, name, kind, overwrite)
            repository._check_overwrite(repository._read())
        return repository

    def push(self, write: Callable[[Path], object], card: RepoCard, message: str) -> str:
        """Uploads a card and other files in one commit; returns its address.

        Files of earlier pushes that are no longer written are deleted in the same commit.

        Args:
            write: Writes the other files into a new folder.
            card: The README; the Hub validates it before anything is written.
            message: Of the commit.

        Raises:
            UserError: As `upload` does, and if the Hub refuses the card.
        """
        with translate_hub_errors(self.name):
            try:
                card.validate()
            except ValueError as error:
                raise UserError(f"the Hub refuses the card of {self.name}: {error}") from error
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "repository"
            write(folder)
            card.save(folder / "README.md")
            return self.upload(folder, message, delete_stale=True)

    def upload(self, folder: Path, message: str, delete_stale: bool = False) -> str:
        """Uploads a folder in one commit, based on the one that was checked; returns its address.

        Files that the repository has already are not uploaded again. (`upload_folder` would do,
        were it not for several commits where it uses Xet, between which a repository half loads.)

        Args:
            folder: What is uploaded.
            message: Of the commit.
            delete_stale: Delete the files of earlier uploads that the folder does not hold.

        Raises:
            UserError: If it would replace files that hf_gen did not write, the Hub refuses, or it
                cannot be reached.
        """
        files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file()
        }
        with translate_hub_errors(self.name):
            contents = self._read()
            self._check_overwrite(contents, {*files})
            written = {name: _hashes(path) for name, path in sorted(files.items())}
            stale = contents.written.keys() - files.keys() if delete_stale else set()
            kept = {name: contents.written[name] for name in contents.written.keys() - stale}
            listed = {"files": dict(sorted((kept | written).items()))}
            commit = self.api.create_commit(
                self.name,
                operations=[
                    *(CommitOperationAdd(name, path) for name, path in files.items()),
                    CommitOperationAdd(MANIFEST, (json.dumps(listed, indent=1) + "\n").encode()),
                    *(CommitOperationDelete(name) for name in sorted(stale)),
                ],
                commit_message=message,
                repo_type=self.kind,
                parent_commit=contents.commit,
            )
        return commit.commit_url

    def _check_overwrite(self, contents: _Contents, paths: set[str] | None = None) -> None:
        """Checks that all files at `paths` are hf_gen's; without a manifest, all files."""
        others = contents.others
        if contents.has_manifest:
            others = others & (paths or set())
        if others and not self.overwrite:
            raise UserError(
                f"{self.name} holds files that hf_gen did not write or that have changed since, "
                f"such as {min(others)}: choose another repository, or pass --overwrite (when "
                "training: --hub-overwrite) to replace files of the same names; other files are "
                "kept"
            )

    def _read(self) -> _Contents:
        api, name, kind = self.api, self.name, self.kind
        info = api.repo_info(name, repo_type=kind, files_metadata=True)
        siblings = {file.rfilename: file for file in getattr(info, "siblings", None) or []}
        if info.sha is None:
            raise UserError(f"the Hub does not say at which commit {name} is: try again later")
        listed: Hashes = {}
        if MANIFEST in siblings:
            if (siblings[MANIFEST].size or 0) > _LARGEST_MANIFEST:
                raise UserError(f"{MANIFEST} of {name} is too large: choose another repository")
            path = api.hf_hub_download(name, MANIFEST, repo_type=kind, revision=info.sha)
            listed = read_manifest(Path(path), f"{MANIFEST} of {name}")
        # The Hub's hash of each file: git's, or the SHA-256 of a file in LFS.
        hashes = {
            path: str(file.lfs.sha256 if file.lfs else file.blob_id)
            for path, file in siblings.items()
        }
        own = listed.keys() - _OF_THE_HUB
        written = {path: listed[path] for path in own if hashes.get(path) in listed[path]}
        others = hashes.keys() - written.keys() - _OF_THE_HUB
        if others and others <= _FIRST_FILES and MANIFEST not in siblings:
            is_new = len(api.list_repo_commits(name, repo_type=kind)) == 1
            others = set() if is_new else others
        return _Contents(info.sha, written, others, MANIFEST in siblings)


def _hashes(file: Path) -> list[str]:
    """The two names that the Hub may give its content: git's, and the SHA-256."""
    git, sha256 = hashlib.sha1(f"blob {file.stat().st_size}\0".encode()), hashlib.sha256()
    with file.open("rb") as content:
        while chunk := content.read(1 << 20):
            git.update(chunk)
            sha256.update(chunk)
    return [git.hexdigest(), sha256.hexdigest()]
