"""Fixed seeds: each stands in one place, and no two of one generator are the same."""

import ast
import itertools
from enum import IntEnum
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.pictures import arrays
from mien.seeds import RendererSeed, Seed, TorchSeed

FILES = [path for path in Path(mien.__file__).parent.rglob("*.py") if path.name != "seeds.py"]
DRAWN_FROM = ("default_rng", "manual_seed", "Philox", "RandomState")


@pytest.mark.parametrize("kind", [Seed, RendererSeed, TorchSeed])
def test_no_two_seeds_of_a_generator_are_the_same(kind: type[IntEnum]) -> None:
    seeds = [int(seed) for seed in kind.__members__.values()]
    assert sorted(set(seeds)) == sorted(seeds)


def test_no_two_purposes_have_the_same_latents() -> None:
    drawn = [arrays.latents(4, 8, seed) for seed in Seed]
    assert not any(np.isin(one, other).any() for one, other in itertools.combinations(drawn, 2))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.name))
def test_no_other_file_has_a_seed_of_its_own(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DRAWN_FROM:
            assert not any(isinstance(given, ast.Constant) for given in node.args), ast.unparse(node)
        if isinstance(node, ast.Assign):
            assert not any(isinstance(name, ast.Name) and name.id.endswith("SEED") for name in node.targets)
