"""Images are decoded once, into what open_image and square make of them, or not at all."""

import io
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from PIL import Image

from hf_gen.data.pixels import Item, Pixels, Split, cached_pixels
from hf_gen.errors import UserError
from hf_gen.images import square, to_tensor

Random = Callable[..., list[Image.Image]]
Start = Callable[..., subprocess.Popen[str]]

# Reads four images, but the last one only after the file "go" is there.
PROGRAM = """
import io, sys, time
from pathlib import Path
from PIL import Image
from hf_gen.data.pixels import Split, cached_pixels

folder, name = Path(sys.argv[1]), sys.argv[2]

def read():
    (folder / f"reading-{name}").touch()

    def items():
        for index in range(4):
            while index == 3 and not (folder / "go").exists():
                time.sleep(0.01)
            file = io.BytesIO()
            Image.new("RGB", (8, 8), (index, 0, 0)).save(file, "PNG")
            yield f"image {index}", file.getvalue()

    return 4, items()

(folder / f"ready-{name}").touch()
pixels, _ = cached_pixels(Split("a split", "key", read), 8, folder / "cache", False)
print(pixels.rows[:, 0].tolist())
"""


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

        return Split("a split", self.key, read)


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def shown(pixels: Pixels) -> torch.Tensor:
    return pixels.images(torch.arange(len(pixels)))


def folders(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if path.suffix != ".lock"]


def wait_for(*paths: Path) -> None:
    end = time.monotonic() + 60
    while not all(path.exists() for path in paths):
        assert time.monotonic() < end, f"{paths} did not appear"
        time.sleep(0.01)


def test_the_pixels_are_those_of_the_preprocessing(tmp_path: Path, random_images: Random) -> None:
    images = [*random_images(5, size=20), Image.new("RGBA", (30, 16), (9, 9, 9, 0))]
    path = tmp_path / "one.png"
    images[0].save(path)
    source = Source([path, *(png(image) for image in images[1:])], expected=6)
    pixels, held_out = cached_pixels(source.split(), 12, tmp_path / "cache", False)
    expected = [square(image, 12) for image in images[:5]] + [Image.new("RGB", (12, 12), "white")]
    assert held_out is None
    assert (len(pixels), pixels.resolution) == (6, 12)
    assert torch.equal(shown(pixels), to_tensor(expected))
    assert torch.equal(pixels.images(torch.tensor([4, 1])), to_tensor([expected[4], expected[1]]))


def test_the_second_call_decodes_nothing(tmp_path: Path, random_images: Random) -> None:
    source = Source([png(image) for image in random_images(3)])
    first, _ = cached_pixels(source.split(), 8, tmp_path, False)
    second, _ = cached_pixels(source.split(), 8, tmp_path, False)
    assert source.reads == 1
    assert torch.equal(shown(first), shown(second))


def test_another_key_or_resolution_is_decoded_anew(tmp_path: Path, random_images: Random) -> None:
    first, second = random_images(2)
    cached_pixels(Source([png(first)]).split(), 8, tmp_path, False)
    other = Source([png(second)], key="other")
    pixels, _ = cached_pixels(other.split(), 8, tmp_path, False)
    assert torch.equal(shown(pixels), to_tensor([square(second, 8)]))
    source = Source([png(first)])
    larger, _ = cached_pixels(source.split(), 16, tmp_path, False)
    assert source.reads == 1
    assert torch.equal(shown(larger), to_tensor([first]))


def test_writing_to_the_pixels_does_not_reach_the_cache(
    tmp_path: Path, random_images: Random
) -> None:
    source = Source([png(random_images(1)[0])])
    first, _ = cached_pixels(source.split(), 8, tmp_path, False)
    before = shown(first)
    first.rows.zero_()
    again, _ = cached_pixels(source.split(), 8, tmp_path, False)
    assert torch.equal(shown(again), before)


def test_a_fixed_five_percent_are_held_out(tmp_path: Path, random_images: Random) -> None:
    data = [png(image) for image in random_images(2000, size=8)]
    train, held_out = cached_pixels(Source(data).split(), 8, tmp_path / "one", True)
    assert held_out is not None
    # 100, and five standard deviations of a binomial count.
    assert abs(len(held_out) - 100) < 49
    both = torch.cat((train.selection, held_out.selection)).sort().values
    assert torch.equal(both, torch.arange(2000))

    # The same images are held out whatever stands beside or before them.
    _, of_half = cached_pixels(Source(data[999::-1]).split(), 8, tmp_path / "half", True)
    assert of_half is not None
    expected = [index for index in held_out.selection.tolist() if index < 1000]
    assert sorted(999 - index for index in of_half.selection.tolist()) == expected


def test_copies_of_an_image_are_on_one_side(tmp_path: Path, random_images: Random) -> None:
    data = [png(image) for image in random_images(100, size=8)]
    train, held_out = cached_pixels(Source(data * 3).split(), 8, tmp_path, True)
    assert held_out is not None
    sides = [set(side.selection.remainder(100).tolist()) for side in (train, held_out)]
    assert sides[0] | sides[1] == set(range(100))
    assert not sides[0] & sides[1]
    assert sides[1]


def test_one_percent_of_bad_images_is_skipped_and_told(
    tmp_path: Path, random_images: Random
) -> None:
    data: list[bytes | Path | None] = [png(image) for image in random_images(300)]
    data[10], data[20], data[299] = None, b"<html>", data[0][:60]  # type: ignore[index]
    pixels, _ = cached_pixels(Source(data, expected=300).split(), 8, tmp_path, False)
    good = [image for index, image in enumerate(random_images(300)) if index not in (10, 20, 299)]
    assert torch.equal(shown(pixels), to_tensor([square(image, 8) for image in good]))
    assert pixels.unreadable.startswith("3 (image-10: there is no image; image-20: not an image")
    assert "image-299: damaged" in pixels.unreadable
    (folder,) = folders(tmp_path)
    assert json.loads((folder / "cache.json").read_text())["count"] == 297


@pytest.mark.parametrize("expected", [300, None, 100_000])
def test_more_than_one_percent_of_bad_images_stops_and_leaves_nothing(
    tmp_path: Path, random_images: Random, expected: int | None
) -> None:
    # A stream may be announced longer than it is: the images that came are what counts.
    data: list[bytes | Path | None] = [png(image) for image in random_images(300)]
    data[:4] = [b"<html>"] * 4
    with pytest.raises(UserError, match=r"4 of [0-9]+ images of a split cannot be used") as raised:
        cached_pixels(Source(data, expected).split(), 8, tmp_path, False)
    assert "More than 1 %" in str(raised.value)
    assert folders(tmp_path) == []


def test_the_first_ten_bad_images_are_named(tmp_path: Path, random_images: Random) -> None:
    data: list[bytes | Path | None] = [b"bad"] * 12 + [png(image) for image in random_images(30)]
    with pytest.raises(UserError) as raised:
        cached_pixels(Source(data).split(), 8, tmp_path, False)
    assert all(f"image-{index}:" in str(raised.value) for index in range(10))
    assert "image-10:" not in str(raised.value)


def test_an_error_of_the_reader_leaves_nothing_that_is_read(
    tmp_path: Path, random_images: Random
) -> None:
    def read() -> tuple[int | None, Iterator[Item]]:
        def items() -> Iterator[Item]:
            yield from (("good", png(image)) for image in random_images(200))
            raise UserError("the connection broke")

        return None, items()

    with pytest.raises(UserError, match="the connection broke"):
        cached_pixels(Split("a split", "key", read), 8, tmp_path, False)
    assert all(path.name.startswith(".") for path in folders(tmp_path))


def test_a_split_without_images_is_refused(tmp_path: Path) -> None:
    for expected in (0, None, 5):
        with pytest.raises(UserError, match="a split holds no images"):
            cached_pixels(Source([], expected).split(), 8, tmp_path, False)
    assert folders(tmp_path) == []


def test_a_cache_below_a_file_becomes_a_sentence(tmp_path: Path, random_images: Random) -> None:
    (tmp_path / "file").write_text("text")
    source = Source([png(random_images(1)[0])])
    with pytest.raises(UserError, match="is a file where a folder is needed"):
        cached_pixels(source.split(), 8, tmp_path / "file" / "cache", False)


def test_two_processes_decode_once(tmp_path: Path, start_python: Start) -> None:
    processes = [start_python(PROGRAM, tmp_path, name) for name in ("a", "b")]
    wait_for(tmp_path / "ready-a", tmp_path / "ready-b")
    time.sleep(0.3)  # long enough for both to ask for the pixels
    readers = list(tmp_path.glob("reading-*"))
    assert len(readers) == 1
    (tmp_path / "go").touch()
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert outputs == ["[0, 1, 2, 3]\n"] * 2
    assert list(tmp_path.glob("reading-*")) == readers


def test_a_kill_while_decoding_leaves_nothing_that_is_read(
    tmp_path: Path, start_python: Start, random_images: Random
) -> None:
    process = start_python(PROGRAM, tmp_path, "a")
    wait_for(tmp_path / "reading-a")
    time.sleep(0.1)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    left = folders(tmp_path / "cache")
    assert all(path.name.startswith(".") for path in left)
    source = Source([png(random_images(1)[0])])
    pixels, _ = cached_pixels(source.split(), 8, tmp_path / "cache", False)
    assert source.reads == 1
    assert torch.equal(shown(pixels), to_tensor([square(random_images(1)[0], 8)]))
    assert [path.name.startswith("pixels-") for path in folders(tmp_path / "cache")] == [True]
