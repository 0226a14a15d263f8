"""Messages of protocol buffers, read strictly: what is not expected is refused, and weights are not copied.

Source: https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator, Mapping
from typing import Any

Message = dict[str, list[Any]]  # a field's name -> what it was given, in turn
INT, TEXT, FLOAT = 0, 2, 5  # ways to write a field: a whole number, bytes with their length before them, 4 bytes


def fields(message: memoryview, left: Iterator[int]) -> Iterator[tuple[int, int | bytes | memoryview]]:
    """Fields of a message of protocol buffers: their numbers and what they hold.

    left: gives a number for each field that may still come.

    Raises: ValueError for what is none.
    """
    at = 0
    while at < len(message):
        if next(left, None) is None:
            raise ValueError("more things in it than an export has")
        tag, at = varint(message, at)
        wire = tag & 7
        if wire == INT:
            value, at = varint(message, at)
            yield tag >> 3, value - 2**64 if value >= 2**63 else value
            continue
        if wire not in (TEXT, FLOAT):
            raise ValueError("damaged, or no ONNX at all")
        length, at = varint(message, at) if wire == TEXT else (4, at)
        if length > len(message) - at:
            raise ValueError("cut short, or no ONNX at all")
        yield tag >> 3, message[at : at + length] if wire == TEXT else bytes(message[at : at + length])
        at += length


def varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number below 2^64 at a place, and where the next thing begins.  Raises: ValueError."""
    value = 0
    for place, byte in enumerate(message[at : at + 10]):
        value |= (byte & 127) << 7 * place
        if byte < 128 and value < 2**64:
            return value, at + place + 1
    raise ValueError("cut short, or no ONNX at all")


def parsed(message: memoryview, known: Mapping[int, tuple[str, Any]], left: Iterator[int]) -> Message:
    """A message, with those in it.  Raises: ValueError for a field that is not known, or is written in another way."""
    found: Message = {}
    for number, value in fields(message, left):
        name, written = known.get(number, ("", None))
        kind = {int: INT, bytes: FLOAT}.get(type(value), TEXT)
        if kind != (written if isinstance(written, int) else TEXT) or not name:
            raise ValueError(f"it holds something (field {number}) that no export of mien has")
        inner = parsed(value, written, left) if isinstance(written, dict) and isinstance(value, memoryview) else value
        found.setdefault(name, []).append(inner)
    return found


def one(message: Message, name: str, default: Any = None) -> Any:
    """What the only field of a name holds.  Raises: ValueError where there are more, or none and no default."""
    values = message.get(name, [] if default is None else [default])
    if len(values) != 1:
        raise ValueError(f"{name or 'something'} stands {len(values)} times where it stands once in an export")
    return values[0]


def text(message: Message, name: str, default: bytes | None = None) -> str:
    """The only text of a name.  Raises: ValueError."""
    return str(one(message, name, default), "utf-8")
