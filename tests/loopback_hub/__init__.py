"""A loopback stand-in for the Hugging Face Hub, for the real clients and for bad days.

`with LoopbackHub() as hub:` serves an empty Hub on a free port; `hub.environment(folder)` are the
variables with which a fresh process uses it, `hub.faults` is what goes wrong, `hub.asked()` what
was asked. All endpoints stand in one table in `app.py`. By hand: `python -m tests.loopback_hub`.

Like the Hub: commits, trees and blobs have the names that git gives them; a repository begins with
a .gitattributes; models, datasets and Spaces have names of their own; a private repository is one
that does not exist (401 to the anonymous, 404 to others); a commit is all or nothing, and refused
with a card that is not valid. Unlike it: no pull requests, discussions, Xet, multipart uploads,
gated repositories, redirects to a CDN, dataset viewer or running Spaces; a card is checked against
some of its rules only (`cards.py`).
"""

from .app import Asked
from .bad_days import Faults
from .faults import Fault
from .hub import LoopbackHub
from .store import Commit, Entry, Repository, RepoType

__all__ = [
    "Asked",
    "Commit",
    "Entry",
    "Fault",
    "Faults",
    "LoopbackHub",
    "RepoType",
    "Repository",
]
