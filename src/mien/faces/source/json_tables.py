"""Tables in JSON: a row a line, as Hugging Face's folders have, and the labels in StyleGAN's dataset.json."""

import json
from typing import Any

Cells = tuple[tuple[str, ...], list[list[str]]]  # header, rows


def cells_of(text: str) -> Cells:
    """The cells of a table.

    Raises: ValueError, with the reason in words.
    """
    try:
        if "labels" in (whole := json.loads(text)):
            return of_dataset(whole)
        rows = whole if isinstance(whole, list) else [whole]
    except (json.JSONDecodeError, TypeError):
        rows = [parsed(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not rows or not all(isinstance(row, dict) and row for row in rows):
        raise ValueError('it holds no rows such as {"file_name": "a.png", "Male": 1}, one a line')
    header = tuple(dict.fromkeys(key for row in rows for key in row))
    return header, [[cell(row.get(key)) for key in header] for row in rows]


def parsed(number: int, line: str) -> Any:
    """A line.  Raises: ValueError that names it."""
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} is no JSON ({error.msg})") from None


def of_dataset(whole: dict[str, Any]) -> Cells:
    """{"labels": [["00000/img00000000.png", 3], ...]}: a class a picture, of which each is an attribute."""
    labels = whole["labels"]
    if not isinstance(labels, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in labels):
        raise ValueError('"labels" is not a list of [file, class]: the set has no labels')
    return ("file", "class"), [[str(name), "" if kind is None else f"class {cell(kind)}"] for name, kind in labels]


def cell(value: Any) -> str:
    """A value as a table in text has it."""
    if isinstance(value, bool):
        return str(int(value))
    return "" if value is None else value.strip() if isinstance(value, str) else json.dumps(value)
