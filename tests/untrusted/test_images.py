"""Broken and hostile images and archives are rejected with a clear error, or they are images.

Nothing is written or read outside of them.
"""

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hf_gen.config import Data
from hf_gen.data.archives import MOST_BYTES
from hf_gen.data.sources import load_domain
from hf_gen.demo.uploads import open_uploads
from hf_gen.errors import UserError
from hf_gen.images import square
from tests.reliability import FAULTS
from tests.untrusted.limits import ACCEPTED, REJECTED, try_all
from tests.untrusted.mutations import BYTES, Input, broken
from tests.untrusted.pictures import encoded, hostile_images, noise, valid_images

# Unusual, and images: a photograph of 49 megapixels, circular metadata, bytes left over.
_IMAGES = {"dense.png", "chunks.png", "more-pixels.png", "loop-in-exif.jpg", "long-exif.jpg"}


def test_an_upload_becomes_an_image_or_a_clear_error(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    valid, hostile = valid_images(), hostile_images()
    filled = {name: content for name, content in hostile.items() if content}
    inputs = [
        *(Input(name, content) for name, content in (valid | hostile).items()),
        *broken(valid, BYTES, 80 * FAULTS),
        *broken(filled, BYTES, 10 * FAULTS, seed=1),
    ]

    def upload(one: Input) -> None:
        path = tmp_path / one.source
        path.write_bytes(one.content)
        (image,) = open_uploads([path])
        assert np.asarray(square(image, 32)).shape == (32, 32, 3)

    outcomes = try_all(inputs, upload, (UserError,), seconds=10, megabytes=600)
    accepted = {one.name for one in outcomes if one.result == ACCEPTED}
    films = {name for name in valid if name.startswith(("film", "pages"))}
    assert accepted & valid.keys() == valid.keys() - films
    assert accepted & hostile.keys() == _IMAGES
    injected("a broken or hostile image is uploaded", len(inputs) - len(valid))


_COUNT = 30


def _zip(extra: dict[str, bytes] | None = None, links: dict[str, str] | None = None) -> bytes:
    """A ZIP of a few images, of further files, and of links."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for place in range(_COUNT):
            packed.writestr(f"{place:02d}.png", encoded(noise(seed=place)))
        for name, content in (extra or {}).items():
            packed.writestr(name, content)
        for name, target in (links or {}).items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o120777 << 16
            packed.writestr(entry, target)
    return file.getvalue()


def _tar(
    name: str = "", content: bytes = b"", kind: bytes = tarfile.REGTYPE, link: str = ""
) -> bytes:
    """A TAR of a few images, and of one more member."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as packed:
        images = {f"{i:02d}.png": encoded(noise(seed=i)) for i in range(_COUNT)}
        for member_name, image in images.items():
            member = tarfile.TarInfo(member_name)
            member.size = len(image)
            packed.addfile(member, io.BytesIO(image))
        if name:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname = kind, len(content), link
            packed.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _hostile(outside: Path) -> dict[str, tuple[bytes, str | None]]:
    """Archives that are made to harm, and whether each is rejected, None for either."""
    image, secret = encoded(noise(seed=99)), str(outside / "secret.png")
    bomb = bytes(MOST_BYTES + 1)
    return {
        "valid.zip": (_zip(), ACCEPTED),
        "climbs.zip": (_zip({"../../climbed.png": image, "a/../../../climbed.png": image}), None),
        "absolute.zip": (_zip({str(outside / "climbed.png"): image}), None),
        "links.zip": (_zip(links={"link.png": secret}), REJECTED),
        "bomb.zip": (_zip({"bomb.png": bomb}), REJECTED),
        "nested.zip": (_zip({"inner.zip": _zip()}), None),
        "program.zip": (_zip({"set.py": b"raise SystemExit", "dataset_infos.json": b"["}), None),
        "metadata.zip": (_zip({"metadata.csv": b"file_name\n../../secret.png\n"}), None),
        "nothing.zip": (b"", REJECTED),
        "empty.zip": (b"PK\x05\x06" + bytes(18), REJECTED),
        "valid.tar": (_tar(), ACCEPTED),
        "link.tar": (_tar("link.png", kind=tarfile.SYMTYPE, link=secret), ACCEPTED),
        "hard link.tar": (_tar("x.png", kind=tarfile.LNKTYPE, link=secret), ACCEPTED),
        "device.tar": (_tar("zero.png", kind=tarfile.CHRTYPE), ACCEPTED),
        "climbs.tar": (_tar("../../climbed.png", b"none"), REJECTED),
        "bomb.tar": (_tar("b.png", bomb), REJECTED),
        "header.tar": (_tar("h", bomb, kind=tarfile.XHDTYPE), REJECTED),
    }


def test_an_archive_is_rejected_or_read_and_nothing_leaves_it(
    tmp_path: Path, injected: Callable[[str, int], None]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(encoded(noise(seed=7)))
    hostile = _hostile(outside)
    inputs = [Input(name, content) for name, (content, _) in hostile.items()]
    inputs += broken({"valid.zip": _zip()}, BYTES, FAULTS)

    def read(one: Input) -> None:
        place = tmp_path / "inside"
        try:
            (place / "set").mkdir(parents=True)
            name = "data.tar.gz" if one.source.endswith(".tar") else "data.zip"
            (place / "set" / name).write_bytes(one.content)
            data = Data(
                dataset_name=str(place / "set"),
                data_files=(name,),
                resolution=16,
                cache_dir=place / "cache",
            )
            domain = load_domain(data)
            assert len(domain.train) + len(domain.test) >= _COUNT - 1
        finally:
            shutil.rmtree(place)

    outcomes = try_all(inputs, read, (UserError,), seconds=30, megabytes=950, timeout=240)
    results = {one.name: one.result for one in outcomes}
    for name, (_, expected) in hostile.items():
        assert results[name] == (expected or results[name]), name
    assert [path.name for path in outside.iterdir()] == ["secret.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]
    injected("an archive of images is broken or hostile", len(inputs) - 1)
