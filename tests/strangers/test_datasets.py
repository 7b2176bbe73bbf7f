"""Broken and hostile archives of images: a sentence, or their images, and nothing beside them."""

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from hf_gen.config import Data
from hf_gen.data.sources import load_domain
from hf_gen.errors import UserError
from tests.reliability import FAULTS
from tests.strangers.bounded import ANSWERED, LOADED, ask, wrong
from tests.strangers.mutations import BYTES, Broken, broken
from tests.strangers.pictures import encoded, noise

_SECONDS, _MEGABYTES = 30.0, 950
_COUNT = 30


def _archive(extra: dict[str, bytes] | None = None, linked: dict[str, str] | None = None) -> bytes:
    """A ZIP of a few images, of further files, and of links."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for place in range(_COUNT):
            packed.writestr(f"{place:02d}.png", encoded(noise(seed=place), "PNG"))
        for name, content in (extra or {}).items():
            packed.writestr(name, content)
        for name, target in (linked or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o120777 << 16
            packed.writestr(entry, target)
    return file.getvalue()


def _hostile(outside: Path) -> dict[str, tuple[bytes, str]]:
    """Archives that are made to harm, and what becomes of each."""
    image = encoded(noise(seed=99), "PNG")
    return {
        "whole": (_archive(), LOADED),
        "climbs": (_archive({"../../climbed.png": image, "a/../../../climbed.png": image}), ""),
        "absolute": (_archive({str(outside / "climbed.png"): image}), ""),
        "links": (_archive(linked={"link.png": str(outside / "secret.png")}), ANSWERED),
        "bomb": (_archive({"bomb.png": bytes(1_000_000_000)}), ANSWERED),
        "nested": (_archive({"inner.zip": _archive()}), ""),
        "program": (_archive({"set.py": b"raise SystemExit", "dataset_infos.json": b"["}), ""),
        "metadata": (_archive({"metadata.csv": b"file_name\n../../secret.png\n"}), ""),
        "nothing": (b"", ANSWERED),
        "empty": (b"PK\x05\x06" + bytes(18), ANSWERED),
    }


def _tar(extra: dict[str, tuple[tarfile.TarInfo, bytes]]) -> bytes:
    """A TAR of a few images, and of further members with another header."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as packed:
        for place in range(_COUNT):
            content = encoded(noise(seed=place), "PNG")
            member = tarfile.TarInfo(f"{place:02d}.png")
            member.size = len(content)
            packed.addfile(member, io.BytesIO(content))
        for member, content in extra.values():
            packed.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _member(
    name: str, kind: bytes = tarfile.REGTYPE, size: int = 0, link: str = ""
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.size, member.linkname = kind, size, link
    return member


def _hostile_tars(outside: Path) -> dict[str, tuple[bytes, str]]:
    """Tars that are made to harm, and what becomes of each."""
    secret = str(outside / "secret.png")
    return {
        "whole.tar": (_tar({}), LOADED),
        "links.tar": (_tar({"": (_member("link.png", tarfile.SYMTYPE, link=secret), b"")}), LOADED),
        "hard links.tar": (
            _tar({"": (_member("x.png", tarfile.LNKTYPE, link=secret), b"")}),
            LOADED,
        ),
        "device.tar": (_tar({"": (_member("zero.png", tarfile.CHRTYPE), b"")}), LOADED),
        "climbs.tar": (_tar({"": (_member("../../climbed.png", size=4), b"none")}), ANSWERED),
        "bomb.tar": (_tar({"": (_member("b.png", size=10**9), bytes(10**9))}), ANSWERED),
        "header.tar": (_tar({"": (_member("h", tarfile.XHDTYPE, 10**9), bytes(10**9))}), ANSWERED),
    }


def test_an_archive_is_refused_or_read_and_nothing_leaves_it(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(encoded(noise(seed=7), "PNG"))
    hostile = _hostile(outside) | _hostile_tars(outside)
    files = [Broken(name, content) for name, (content, _) in hostile.items()]
    files += broken({"archive": _archive()}, BYTES, FAULTS)

    def read(one: Broken) -> None:
        place = tmp_path / "inside"
        try:
            (place / "set").mkdir(parents=True)
            name = "data.tar.gz" if one.name.endswith(".tar") else "data.zip"
            (place / "set" / name).write_bytes(one.content)
            data = Data(
                dataset_name=str(place / "set"),
                data_files=(name,),
                resolution=16,
                cache_dir=place / "cache",
            )
            domain = load_domain(data)
            assert len(domain.train) + len(domain.held_out) >= _COUNT - 1
        finally:
            shutil.rmtree(place)

    answers = ask([(one.name, one) for one in files], read, (UserError,), 240.0, 2 * _MEGABYTES)
    assert wrong(answers, _SECONDS, _MEGABYTES) == ""
    assert len(answers) == len(files)
    for one in answers[: len(hostile)]:
        expected = hostile[one.name][1]
        assert one.outcome == (expected or one.outcome), one
    # Nothing of an archive lies beside it, and nothing was read from there.
    assert [path.name for path in outside.iterdir()] == ["secret.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    injected("an archive of images is broken or hostile", len(files) - 1)
