"""Whole files, broken in every way that a table names: of bytes, of JSON, of safetensors.

A mutation takes the whole content and a source of chance. The same seed breaks in the same way.
"""

import json
import random
import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Mutation = Callable[[bytes, random.Random], bytes]
# No decoder may be led into taking one of these at its word.
LARGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x01\x00\x00")
PAGE = b"<!doctype html><html><script>alert(document.cookie)</script></html>"
# What no field of a JSON file is meant to be.
WRONG: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3, 2**31, 2**63, 10**30, 0.5, -0.0, 1e308, float("nan")),
    *(float("inf"), float("-inf"), "", "16", "AutoencoderKL", "../../../etc/passwd", "/etc/passwd"),
    *("file:///etc/passwd", "trap", "os.system", "\x00", "\ud800", "x" * 10_000, "{}", "__class__"),
    *(
        [],
        [0],
        [None],
        [-1, -1],
        [2**40] * 3,
        ["trap", "Trap"],
        ["../..", "Trap"],
        [[[]]],
        [1] * 5000,
    ),
    *({}, {"": 0}, {"a": {"b": []}}, {"_class_name": "Trap"}, {"trust_remote_code": True}),
)


class Broken(NamedTuple):
    """A broken file.

    Attributes:
        name: Of the whole file and the mutation, and which one it is.
        content: The bytes.
    """

    name: str
    content: bytes


def cut(whole: bytes, chance: random.Random) -> bytes:
    return whole[: chance.randrange(len(whole))]


def flip_bits(whole: bytes, chance: random.Random) -> bytes:
    changed = bytearray(whole)
    for _ in range(chance.choice((1, 4, 32))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def flip_the_head(whole: bytes, chance: random.Random) -> bytes:
    head = min(200, len(whole))
    return flip_bits(whole[:head], chance) + whole[head:]


def zero(whole: bytes, chance: random.Random) -> bytes:
    start, length = _stretch(whole, chance)
    return whole[:start] + bytes(length) + whole[start + length :]


def leave_out(whole: bytes, chance: random.Random) -> bytes:
    start, length = _stretch(whole, chance)
    return whole[:start] + whole[start + length :]


def repeat(whole: bytes, chance: random.Random) -> bytes:
    start, length = _stretch(whole, chance)
    return whole[: start + length] + whole[start : start + length] * chance.choice((1, 50))


def insert_noise(whole: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(whole))
    return whole[:start] + chance.randbytes(chance.choice((1, 60))) + whole[start:]


def claim_more(whole: bytes, chance: random.Random) -> bytes:
    """A large number somewhere in the head, where sizes and offsets lie."""
    start = chance.randrange(max(1, min(120, len(whole)) - 4))
    return whole[:start] + chance.choice(LARGE) + whole[start + 4 :]


def be_something_else(whole: bytes, chance: random.Random) -> bytes:
    """Nothing, noise, a web page, an archive, a pickle, or such a thing before the file."""
    other = chance.choice((b"", bytes(64), chance.randbytes(64), PAGE, b"PK\x03\x04", b"\x80\x04."))
    return other + (whole if other and chance.random() < 0.3 else b"")


BYTES: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        *(cut, flip_bits, flip_the_head, zero, leave_out, repeat, insert_noise, claim_more),
        be_something_else,
    )
}


def wrong_value(whole: bytes, chance: random.Random) -> bytes:
    content = json.loads(whole)
    place, key = chance.choice(list(_places(content)))
    place[key] = chance.choice(WRONG)
    return json.dumps(content).encode()


def wrong_values(whole: bytes, chance: random.Random) -> bytes:
    for _ in range(chance.choice((2, 5))):
        whole = wrong_value(whole, chance)
    return whole


def lost_key(whole: bytes, chance: random.Random) -> bytes:
    content = json.loads(whole)
    place, key = chance.choice(list(_places(content)))
    del place[key]
    return json.dumps(content).encode()


def new_key(whole: bytes, chance: random.Random) -> bytes:
    content = json.loads(whole)
    keys = ("auto_map", "quantization_config", "trust_remote_code", "_name_or_path", "", "x", "a.b")
    place, _ = chance.choice(list(_places(content)))
    if isinstance(place, dict):
        place[chance.choice(keys)] = chance.choice(WRONG)
    return json.dumps(content).encode()


def other_number(whole: bytes, chance: random.Random) -> bytes:
    """A plausible number in place of another: what is well formed and does not fit."""
    content = json.loads(whole)
    numbers = [at for at in _places(content) if type(at[0][at[1]]) in (int, float)]
    if numbers:
        place, key = chance.choice(numbers)
        place[key] = chance.choice((1, 2, 7, 64, 1000, 4096, 65_536))
    return json.dumps(content).encode()


def other_document(whole: bytes, chance: random.Random) -> bytes:
    bare = [json.dumps(value).encode() for value in WRONG]
    deep = [b"[" * 100_000, b'{"a":' * 5000 + b"1" + b"}" * 5000, b"1" * 5000]
    encoded = [whole.decode().encode("utf-16"), b"\xef\xbb\xbf" + whole, whole * 2, whole + b"\x00"]
    return chance.choice([*bare, *deep, *encoded])


JSON: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        *(wrong_value, wrong_values, lost_key, new_key, other_number, other_document),
        *(cut, flip_bits, leave_out),
    )
}


def lie(whole: bytes, chance: random.Random) -> bytes:
    """The header of a safetensors file that says something else than what lies behind it."""
    header, data = split_safetensors(whole)
    key = chance.choice([key for key in header if key != "__metadata__"])
    tensor = header[key]
    begin, end = tensor["data_offsets"]
    lies: tuple[Callable[[], Any], ...] = (
        lambda: tensor.update(data_offsets=[begin, end + 4]),
        lambda: tensor.update(data_offsets=[end, begin]),
        lambda: tensor.update(data_offsets=[-4, end]),
        lambda: tensor.update(data_offsets=[0, 2**63]),
        lambda: tensor.update(data_offsets=[0, len(data)]),
        lambda: tensor.update(shape=[2**32, 2**32]),
        lambda: tensor.update(shape=[2**63]),
        lambda: tensor.update(shape=[0]),
        lambda: tensor.update(shape=[]),
        lambda: tensor.update(shape=[-1, -4]),
        lambda: tensor.update(shape=tensor["shape"][::-1]),
        lambda: tensor.update(dtype=chance.choice(("F64", "I8", "BOOL", "F8_E4M3", "X", "", 7))),
        lambda: tensor.pop(chance.choice(("dtype", "shape", "data_offsets"))),
        lambda: header.pop(key),
        lambda: header.update({key: chance.choice(WRONG)}),
        lambda: header.update({key + ".more": tensor}),
        lambda: header.update({"../../" + key: header.pop(key)}),
        lambda: header.update({"__metadata__": {"format": chance.choice(("tf", "flax", "", "x"))}}),
        lambda: header.update({"__metadata__": chance.choice(WRONG)}),
        lambda: header.clear(),
    )
    chance.choice(lies)()
    return join_safetensors(header, data)


def claim_a_header(whole: bytes, chance: random.Random) -> bytes:
    length = chance.choice((0, 1, 7, len(whole), 10**8, 2**40, 2**63, 2**64 - 1))
    return struct.pack("<Q", length) + whole[8:]


def no_number(whole: bytes, chance: random.Random) -> bytes:
    """Weights that are no numbers: one of them, or all."""
    header, data = split_safetensors(whole)
    strange = struct.pack("<f", chance.choice((float("nan"), float("inf"), float("-inf"))))
    if chance.random() < 0.5:
        return join_safetensors(header, strange * (len(data) // 4))
    start = 4 * chance.randrange(len(data) // 4)
    return join_safetensors(header, data[:start] + strange + data[start + 4 :])


SAFETENSORS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        *(lie, claim_a_header, no_number, cut, flip_bits, flip_the_head, leave_out, insert_noise),
        be_something_else,
    )
}


def split_safetensors(whole: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and what lies behind it."""
    (length,) = struct.unpack("<Q", whole[:8])
    return json.loads(whole[8 : 8 + length]), whole[8 + length :]


def join_safetensors(header: dict[str, Any], data: bytes) -> bytes:
    """The other way round, whether it fits or not."""
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written)) + written + data


def broken(
    wholes: Mapping[str, bytes], mutations: Mapping[str, Mutation], count: int, seed: int = 0
) -> Iterator[Broken]:
    """So many broken files: each whole one by each mutation, in turn."""
    kinds = [(name, mutation) for name in wholes for mutation in mutations]
    random.Random(seed).shuffle(kinds)
    for number in range(count):
        name, mutation = kinds[number % len(kinds)]
        chance = random.Random(f"{seed} {number}")
        yield Broken(f"{name}, {mutation}, {number}", mutations[mutation](wholes[name], chance))


def _stretch(whole: bytes, chance: random.Random) -> tuple[int, int]:
    start = chance.randrange(len(whole))
    return start, chance.randrange(1, len(whole) - start + 1)


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Every value of a JSON document, as what holds it and under which key."""
    keys = content.keys() if isinstance(content, dict) else range(len(content))
    for key in keys:
        yield content, key
        if isinstance(content[key], dict | list) and content[key]:
            yield from _places(content[key])
