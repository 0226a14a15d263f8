"""The tables of numbers in measuring.md, from what mien.metrics.numbers declares; write_numbers.py writes them."""

import re
from collections.abc import Iterable, Iterator

from mien.metrics.numbers import EXTRACTORS, NUMBERS, Number

BLOCK = re.compile(r"(<!-- numbers of ([\w, ]+) -->\n).*?(<!-- end of numbers -->)", re.DOTALL)
HEAD = "| name | what it is | unit | better | beside it |\n|---|---|---|---|---|\n"
LETTERS = {"extractor": "X", "attribute": "A", "other": "B", "factor": "F", "count": "N", "components": "K"}
BETTER = {"nearer": "nearer to real images"}


def written(page: str) -> str:
    """The page with the tables as they ought to be.  In a block, numbers of these keys of METRICS."""
    return BLOCK.sub(lambda block: block[1] + HEAD + "".join(rows(block[2].split(", "))) + block[3], page)


def rows(metrics: Iterable[str]) -> Iterator[str]:
    """A line for each group, and one for each number that does not stand beside another."""
    group = None
    for shown, of_extractors in families(n for n in NUMBERS if n.metric in metrics and not n.beside).items():
        number = of_extractors[0]
        if number.group is not group:
            group = number.group
            yield f"| | **{group.title}**: {group.hint} | | | |\n"
        title = number.title.format(**LETTERS)
        if len(of_extractors) > 1:
            title = title.replace(EXTRACTORS["judge"], "X's")
        beside = ", ".join(f"`{name}`" for name in families(n for n in NUMBERS if of_extractors[0] in n.beside))
        unit, better = number.unit, BETTER.get(number.better, number.better)
        yield f"| `{shown}` | {title} | {unit} | {better} | {beside} |\n".replace("|  |", "| |").replace("|  |", "| |")


def families(numbers: Iterable[Number]) -> dict[str, list[Number]]:
    """Numbers by their names with letters for the parts; X stands for any extractor where there are several."""
    by_name: dict[str, list[Number]] = {}
    for number in numbers:
        by_name.setdefault(any_extractor(number.name), []).append(number)
    return {
        (name if len(found) > 1 or name_is_of_several(name) else found[0].name).format(**LETTERS): found
        for name, found in by_name.items()
    }


def any_extractor(name: str) -> str:
    """A name with X in place of its extractor."""
    return re.sub(rf"(?<!mean)_({'|'.join(map(re.escape, EXTRACTORS))})(?=_|$)", "_X", name)  # but for the mean face


def name_is_of_several(name: str) -> bool:
    """Whether numbers of several extractors have this name."""
    return sum(any_extractor(number.name) == name for number in NUMBERS) > 1
