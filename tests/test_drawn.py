from collections.abc import Iterator
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import DataError
from mien.faces.drawn.drawn_faces import (
    ATTRIBUTES,
    DEEP_SKIN,
    FACTORS,
    HAIR_CHANCE,
    HAIR_COLORS,
    NETWORK,
    RANGES,
    SIZES,
    DrawnFaces,
    draw,
    render,
    sample,
)
from mien.faces.drawn.shapes import Frame

COUNT = 96


@cache
def faces(size: int = 32) -> DrawnFaces:
    return draw(COUNT, size=size, seed=7)


def column(name: str) -> int:
    return ATTRIBUTES.index(name)


def flipped(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The same people without and with an attribute; they have no other colour of hair when it is one."""
    off, on = faces().attributes.copy(), faces().attributes.copy()
    if name in HAIR_COLORS:
        hair = [column(color) for color in HAIR_COLORS]
        off[:, hair], on[:, hair] = 0, 0
    off[:, column(name)], on[:, column(name)] = 0, 1
    return (render(off, faces().factors, 32).astype(int), render(on, faces().factors, 32).astype(int))


def test_faces_have_the_promised_shapes_and_types():
    drawn = faces()
    assert drawn.images.shape == (COUNT, 32, 32, 3)
    assert drawn.images.dtype == np.uint8
    assert drawn.attributes.shape == (COUNT, len(ATTRIBUTES))
    assert drawn.attributes.dtype == np.int8
    assert drawn.factors.shape == (COUNT, len(FACTORS))
    assert drawn.factors.dtype == np.float32


def test_a_seed_draws_the_same_faces_again_and_another_seed_draws_others():
    assert np.array_equal(draw(8, size=32, seed=7).images, faces().images[:8])
    assert not np.array_equal(draw(8, size=32, seed=8).attributes, faces().attributes[:8])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, COUNT - 1), st.integers(1, COUNT))
def test_a_face_does_not_depend_on_how_many_are_drawn_or_where_one_starts(start, count):
    count = min(count, COUNT - start)
    part = draw(count, size=32, seed=7, start=start)
    for field in ("images", "attributes", "factors"):
        assert np.array_equal(getattr(part, field), getattr(faces(), field)[start : start + count])


def test_a_face_far_down_the_order_is_where_it_belongs():
    whole, last = sample(5001, seed=1), sample(1, seed=1, start=5000)
    assert np.array_equal(whole[0][-1:], last[0])
    assert np.array_equal(whole[1][-1:], last[1])


@pytest.mark.parametrize("size", SIZES)
def test_a_face_does_not_depend_on_the_boxes_it_is_painted_in(size, monkeypatch):
    boxed = draw(16, size=size, seed=7).images
    monkeypatch.setattr(Frame, "_span", lambda frame, low, high: slice(0, frame.size))
    assert np.array_equal(draw(16, size=size, seed=7).images, boxed)


@pytest.mark.parametrize("size", [64, 128])
def test_the_same_person_appears_at_every_size(size):
    large = faces(size)
    assert np.array_equal(large.factors, faces().factors)
    shrunk = large.images.reshape(COUNT, 32, size // 32, 32, size // 32, 3).mean((2, 4))
    assert np.abs(shrunk - faces().images).mean() < 4  # of 255


def test_factors_fill_their_ranges_and_stay_inside():
    factors = sample(4000)[1]
    for values, factor in zip(factors.T, RANGES.values(), strict=True):
        reach = factor.high - factor.low
        assert factor.low <= values.min() < factor.low + 0.1 * reach
        assert factor.high - 0.1 * reach < values.max() <= factor.high


def test_nobody_has_two_colors_of_hair_and_some_have_none_of_those_named():
    colors = sample(4000)[0][:, [column(name) for name in HAIR_COLORS]].sum(1)
    assert colors.max() == 1
    assert 0.03 < (colors == 0).mean() < 0.3


def frequencies() -> dict[str, float]:
    """The exact share of faces that have each attribute, under the network."""
    share = dict.fromkeys(ATTRIBUTES, 0.0)
    for people, chance in population():
        for name, has in people.items():
            share[name] += chance * has
    deep = 1 - DEEP_SKIN  # skin_tone is even over 0..1
    for (young, dark), colors in HAIR_CHANCE.items():
        chance = (share["Young"] if young else 1 - share["Young"]) * (deep if dark else 1 - deep)
        for name, probability in zip(HAIR_COLORS, colors, strict=True):
            share[name] += chance * probability
    return share


def population() -> Iterator[tuple[dict[str, int], float]]:
    """Every combination of the network's attributes, with its probability."""
    for values in product((0, 1), repeat=len(NETWORK)):
        people = dict(zip(NETWORK, values, strict=True))
        chance = 1.0
        for name, node in NETWORK.items():
            one = node.chance[tuple(people[parent] for parent in node.parents)]
            chance *= one if people[name] else 1 - one
        yield people, chance


def test_attributes_are_as_frequent_as_the_model_says():
    attributes = sample(40_000, seed=3)[0]
    for name, share in frequencies().items():
        spread = (share * (1 - share) / len(attributes)) ** 0.5
        assert abs(attributes[:, column(name)].mean() - share) < 4.5 * spread, name


def test_attributes_depend_on_their_parents_as_the_model_says():
    attributes = sample(40_000, seed=4)[0]
    male, young, beard = (attributes[:, column(name)] == 1 for name in ("Male", "Young", "Beard"))
    assert not beard[~male].any()
    assert beard[male & ~young].mean() == pytest.approx(NETWORK["Beard"].chance[1, 0], abs=0.03)
    assert attributes[male, column("Long_Hair")].mean() == pytest.approx(0.08, abs=0.02)
    assert attributes[~male, column("Long_Hair")].mean() == pytest.approx(0.70, abs=0.02)
    assert attributes[~young, column("Gray_Hair")].mean() > 10 * attributes[young, column("Gray_Hair")].mean()


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_every_attribute_shows_at_32_pixels_and_the_rest_of_the_face_stays(name):
    off, on = flipped(name)
    change = np.abs(on - off).max(-1)  # [N,32,32]
    assert np.quantile((change > 24).sum((1, 2)), 0.1) >= 10, "pixels that visibly change"
    most = 0.6 if name in ("Male", *HAIR_COLORS) else 0.3
    assert (change > 2).mean((1, 2)).max() < most


def test_a_smile_changes_only_the_mouth():
    off, on = flipped("Smiling")
    rows = np.flatnonzero((on != off).any((0, 2, 3)))
    assert rows.min() >= 16
    assert (on != off).any(-1).mean((1, 2)).max() < 0.15


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"count": 0}, "count of 0"),
        ({"size": 48}, "size is 48; it can be 32, 64, 128"),
        ({"seed": -1}, "seed is -1"),
        ({"start": -5}, "start is -5"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_words(wrong, words):
    with pytest.raises(DataError, match=words):
        draw(**({"count": 4} | wrong))
