"""Valid files, broken in every way of a table: of bytes, of JSON, of safetensors.

A mutation takes the valid content and a source of chance. The same seed breaks in the same way.
"""

import json
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Mutation = Callable[[bytes, random.Random], bytes]
# No decoder may trust one of these.
LARGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x01\x00\x00")
PAGE = b"<!doctype html><html><script>alert(document.cookie)</script></html>"
# What no field of a JSON file is meant to be.
WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan")),
    *(float("inf"), float("-inf"), "", "16", "AutoencoderKL", "../../../etc/passwd", "/etc/passwd"),
    *("file:///etc/passwd", "trap", "os.system", "\x00", "\ud800", "x" * 10_000, "{}", "__class__"),
    *([], [0], [None], [-1, -1], [2**40] * 3, ["trap", "Trap"], ["../..", "Trap"], [[[]]]),
    *([1] * 5000, {}, {"": 0}, {"a": {"b": []}}, {"_class_name": "Trap"}),
    {"trust_remote_code": True},
)


class Input(NamedTuple):
    """A file to try, the name of the valid one, and how it was broken."""

    source: str
    content: bytes
    how: str = ""

    @property
    def name(self) -> str:
        return f"{self.source}, {self.how}" if self.how else self.source


def truncate(valid: bytes, chance: random.Random) -> bytes:
    return valid[: chance.randrange(len(valid))]


def flip_bits(valid: bytes, chance: random.Random) -> bytes:
    """Somewhere, or in the head."""
    changed = bytearray(valid)
    most = min(chance.choice((200, len(valid))), len(valid))
    for _ in range(chance.choice((1, 4, 32))):
        changed[chance.randrange(most)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def replace_a_part(valid: bytes, chance: random.Random) -> bytes:
    """By zeros, nothing, or copies of it."""
    start = chance.randrange(len(valid))
    end = chance.randrange(start, len(valid)) + 1
    part = valid[start:end]
    return valid[:start] + chance.choice((bytes(len(part)), b"", part * 2, part * 51)) + valid[end:]


def insert_noise(valid: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(valid))
    return valid[:start] + chance.randbytes(chance.choice((1, 60))) + valid[start:]


def claim_more(valid: bytes, chance: random.Random) -> bytes:
    """A large number somewhere in the head, where sizes and offsets are."""
    start = chance.randrange(max(1, min(120, len(valid)) - 4))
    return valid[:start] + chance.choice(LARGE) + valid[start + 4 :]


def another_file(valid: bytes, chance: random.Random) -> bytes:
    """Nothing, noise, a web page, an archive, a pickle, or such a thing before the file."""
    other = chance.choice((b"", bytes(64), chance.randbytes(64), PAGE, b"PK\x03\x04", b"\x80\x04."))
    return other + (valid if other and chance.random() < 0.3 else b"")


BYTES = (truncate, flip_bits, replace_a_part, insert_noise, claim_more, another_file)


def wrong_values(valid: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((1, 1, 2, 5))):
        content = json.loads(valid)
        place, key = chance.choice(list(_places(content)))
        place[key] = chance.choice(WRONG)
        valid = json.dumps(content).encode()
    return valid


def lost_key(valid: bytes, chance: random.Random) -> bytes:
    content = json.loads(valid)
    place, key = chance.choice(list(_places(content)))
    del place[key]
    return json.dumps(content).encode()


def new_key(valid: bytes, chance: random.Random) -> bytes:
    content = json.loads(valid)
    keys = ("auto_map", "quantization_config", "trust_remote_code", "_name_or_path", "", "x", "a.b")
    place, _ = chance.choice(list(_places(content)))
    if isinstance(place, dict):
        place[chance.choice(keys)] = chance.choice(WRONG)
    return json.dumps(content).encode()


def another_number(valid: bytes, chance: random.Random) -> bytes:
    """A plausible number in place of another: well formed, but it does not fit."""
    content = json.loads(valid)
    numbers = [at for at in _places(content) if type(at[0][at[1]]) in (int, float)]
    if numbers:
        place, key = chance.choice(numbers)
        place[key] = chance.choice((1, 2, 7, 64, 1000, 4096, 65_536))
    return json.dumps(content).encode()


def another_document(valid: bytes, chance: random.Random) -> bytes:
    bare = [json.dumps(value).encode() for value in WRONG]
    deep = [b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"1" * 5000]
    encoded = [valid.decode().encode("utf-16"), b"\xef\xbb\xbf" + valid, valid * 2, valid + b"\x00"]
    return chance.choice([*bare, *deep, *encoded])


JSON = (
    *(wrong_values, lost_key, new_key, another_number, another_document),
    *(truncate, flip_bits, replace_a_part),
)


def lie(valid: bytes, chance: random.Random) -> bytes:
    """A header of safetensors that does not match the data behind it."""
    header, data = split_safetensors(valid)
    key = chance.choice([key for key in header if key != "__metadata__"])
    tensor = header[key]
    begin, end = tensor["data_offsets"]
    offsets = ([begin, end + 4], [end, begin], [-4, end], [0, 2**63], [0, len(data)])
    shapes = ([2**32, 2**32], [2**63], [0], [], [-1, -4], tensor["shape"][::-1])
    formats = ("tf", "flax", "", "x")
    dtypes = ("F64", "I8", "BOOL", "F8_E4M3", "X", "", 7)
    lies: tuple[Callable[[], Any], ...] = (
        *[lambda: tensor.update(data_offsets=chance.choice(offsets))] * 5,
        *[lambda: tensor.update(shape=chance.choice(shapes))] * 6,
        lambda: tensor.update(dtype=chance.choice(dtypes)),
        lambda: tensor.pop(chance.choice(("dtype", "shape", "data_offsets"))),
        lambda: header.pop(key),
        lambda: header.update({key: chance.choice(WRONG)}),
        lambda: header.update({key + ".more": tensor}),
        lambda: header.update({"../../" + key: header.pop(key)}),
        lambda: header.update({"__metadata__": {"format": chance.choice(formats)}}),
        lambda: header.update({"__metadata__": chance.choice(WRONG)}),
        lambda: header.clear(),
    )
    chance.choice(lies)()
    return join_safetensors(header, data)


def claim_a_header(valid: bytes, chance: random.Random) -> bytes:
    length = chance.choice((0, 1, 7, len(valid), 10**8, 2**40, 2**63, 2**64 - 1))
    return struct.pack("<Q", length) + valid[8:]


def not_finite(valid: bytes, chance: random.Random) -> bytes:
    """One weight, or all."""
    header, data = split_safetensors(valid)
    value = struct.pack("<f", chance.choice((float("nan"), float("inf"), float("-inf"))))
    if chance.random() < 0.5:
        return join_safetensors(header, value * (len(data) // 4))
    start = 4 * chance.randrange(len(data) // 4)
    return join_safetensors(header, data[:start] + value + data[start + 4 :])


SAFETENSORS = (
    *(lie, claim_a_header, not_finite, truncate, flip_bits, replace_a_part, insert_noise),
    another_file,
)


def split_safetensors(valid: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and the data behind it."""
    (length,) = struct.unpack("<Q", valid[:8])
    return json.loads(valid[8 : 8 + length]), valid[8 + length :]


def join_safetensors(header: dict[str, Any], data: bytes) -> bytes:
    """The inverse, whether the two fit or not."""
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + data


def broken(
    valid: Mapping[str, bytes], mutations: tuple[Mutation, ...], count: int, seed: int = 0
) -> Iterator[Input]:
    """So many broken files: each valid one by each mutation, in turn."""
    kinds = [(name, mutation) for name in valid for mutation in mutations]
    random.Random(seed).shuffle(kinds)
    for number in range(count):
        name, mutation = kinds[number % len(kinds)]
        chance = random.Random(f"{seed} {number}")
        how = f"{mutation.__name__}, {number}"
        yield Input(name, mutation(valid[name], chance), how)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every value of a JSON document, as its container and its key there."""
    keys = content.keys() if isinstance(content, dict) else range(len(content))
    for key in keys:
        yield content, key
        if isinstance(content[key], dict | list) and content[key]:
            yield from _places(content[key])
