"""Images are decoded once, into what open_image and square make of them, or not at all."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from PIL import Image

from hf_gen.data.pixels import Pixels, cached_pixels
from hf_gen.data.selection import Item, Split
from hf_gen.errors import UserError
from hf_gen.images import square, to_tensor
from tests.data.pictures import noise, png

# Reads four images, but the last one only after the file "go" is there.


@dataclass
class Source:
    """A split over encoded images, which counts how often it is read."""

    items: list[bytes | Path | None]
    expected: int | None = None
    key: str = "key"
    reads: int = field(default=0)

    def split(self) -> Split:
        def read() -> tuple[int | None, Iterator[Item]]:
            self.reads += 1
            return self.expected, iter((f"image-{i}", item) for i, item in enumerate(self.items))

        return Split("set", "train", self.key, read)


def shown(pixels: Pixels) -> torch.Tensor:
    return pixels.images(torch.arange(len(pixels)))


def decoded(source: "Source", cache: Path, resolution: int = 8) -> Pixels:
    """The pixels of a source."""
    pixels, _ = cached_pixels(source.split(), resolution, cache)
    return pixels


def folders(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.suffix != ".lock"]


def test_the_pixels_are_those_of_the_preprocessing(tmp_path: Path) -> None:
    images = [*noise(5, size=20), Image.new("RGBA", (30, 16), (9, 9, 9, 0))]
    path = tmp_path / "one.png"
    images[0].save(path)
    source = Source([path, *(png(image) for image in images[1:])], expected=6)
    pixels, hashes = cached_pixels(source.split(), 12, tmp_path / "cache")
    expected = [square(image, 12) for image in images[:5]] + [Image.new("RGB", (12, 12), "white")]
    assert (hashes.dtype, len(set(hashes.tolist()))) == ("uint64", 6)
    assert (len(pixels), pixels.resolution) == (6, 12)
    assert torch.equal(shown(pixels), to_tensor(expected))
    assert torch.equal(pixels.images(torch.tensor([4, 1])), to_tensor([expected[4], expected[1]]))


def test_the_second_call_decodes_nothing(tmp_path: Path) -> None:
    source = Source([png(image) for image in noise(3)])
    first, second = decoded(source, tmp_path), decoded(source, tmp_path)
    assert source.reads == 1
    assert torch.equal(shown(first), shown(second))


def test_another_key_or_resolution_is_decoded_again(tmp_path: Path) -> None:
    first, second = noise(2)
    decoded(Source([png(first)]), tmp_path)
    other = Source([png(second)], key="other")
    pixels = decoded(other, tmp_path)
    assert torch.equal(shown(pixels), to_tensor([square(second, 8)]))
    source = Source([png(first)])
    larger = decoded(source, tmp_path, 16)
    assert source.reads == 1
    assert torch.equal(shown(larger), to_tensor([first]))


def test_writing_to_the_pixels_does_not_reach_the_cache(tmp_path: Path) -> None:
    source = Source([png(noise(1)[0])])
    first = decoded(source, tmp_path)
    before = shown(first)
    first.rows.zero_()
    again = decoded(source, tmp_path)
    assert torch.equal(shown(again), before)


def test_one_percent_of_bad_images_is_left_out_and_reported(tmp_path: Path) -> None:
    data: list[bytes | Path | None] = [png(image) for image in noise(300)]
    data[10], data[20], data[299] = None, b"<html>", data[0][:60]  # type: ignore[index]
    pixels = decoded(Source(data, expected=300), tmp_path)
    good = [image for index, image in enumerate(noise(300)) if index not in (10, 20, 299)]
    assert torch.equal(shown(pixels), to_tensor([square(image, 8) for image in good]))
    assert pixels.unreadable.startswith("3 (image-10: there is no image; image-20: not an image")
    assert "image-299: damaged" in pixels.unreadable
    (folder,) = folders(tmp_path)
    assert json.loads((folder / "cache.json").read_text())["count"] == 297


@pytest.mark.parametrize("expected", [300, None, 100_000])
def test_more_than_one_percent_of_bad_images_stops_and_leaves_nothing(
    tmp_path: Path, expected: int | None
) -> None:
    # A stream may be announced longer than it is: the images that came are what counts.
    data: list[bytes | Path | None] = [png(image) for image in noise(300)]
    data[:12] = [b"<html>"] * 12
    with pytest.raises(
        UserError, match=r"12 of [0-9]+ images of set \(train\) cannot be used"
    ) as raised:
        decoded(Source(data, expected), tmp_path)
    assert "More than 1 %" in str(raised.value)
    assert all((f"image-{place}:" in str(raised.value)) == (place < 10) for place in range(12))
    assert folders(tmp_path) == []


def test_an_error_of_the_reader_leaves_nothing_that_is_read(tmp_path: Path) -> None:
    def read() -> tuple[int | None, Iterator[Item]]:
        def items() -> Iterator[Item]:
            yield from (("good", png(image)) for image in noise(200))
            raise UserError("the connection broke")

        return None, items()

    with pytest.raises(UserError, match="the connection broke"):
        cached_pixels(Split("set", "train", "key", read), 8, tmp_path)
    assert all(path.name.startswith(".") for path in folders(tmp_path))


def test_a_split_without_images_raises(tmp_path: Path) -> None:
    for expected in (0, None, 5):
        with pytest.raises(UserError, match=r"set \(train\) holds no images"):
            decoded(Source([], expected), tmp_path)
    assert folders(tmp_path) == []


def test_a_cache_below_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    source = Source([png(noise(1)[0])])
    with pytest.raises(UserError, match="is a file where a folder is needed"):
        decoded(source, tmp_path / "file" / "cache")
