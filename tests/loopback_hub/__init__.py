"""A loopback server of the Hugging Face Hub's API, for the real clients, with faults to inject.

`with LoopbackHub() as hub:` serves an empty Hub on a free port; `hub.environment(folder)` are the
variables with which a fresh process uses it, `hub.faults` injects errors, `hub.asked()` lists the
requests. All endpoints are in one table in `app.py`. By hand: `python -m tests.loopback_hub`.

As on the Hub, blobs have git's hashes, large files go through LFS, a repository begins with a
.gitattributes, models, datasets and Spaces have separate namespaces, a private repository looks as
if it did not exist (401 without a token, 404 with another's), and a commit is all or nothing and
refused if its card is invalid. Missing: creating branches and tags, pull requests, Xet, multipart
uploads, pages of listings, and all but some rules of cards (`cards.py`).
"""

from .hub import LoopbackHub

__all__ = ["LoopbackHub"]
