"""Bytes to [-1, 1] and back: one pair, for arrays and for tensors."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays

from mien.faces.pixel_range import signed, to_stored

images = arrays.arrays(np.uint8, some.tuples(*[some.integers(1, 4)] * 3, some.just(3)))
values = arrays.arrays(
    np.float32,
    some.tuples(some.integers(1, 4), some.just(3), some.integers(1, 4), some.integers(1, 4)),
    elements=some.floats(width=32, allow_nan=True) | some.floats(-1.0625, 1.0625, width=32),
)


@given(images)
def test_arrays_and_tensors_become_the_same_numbers_and_the_same_bytes_again(stored: np.ndarray) -> None:
    x = signed(stored)
    assert (x.dtype, x.min() >= -1, x.max() <= 1) == (np.float32, True, True)
    assert (signed(torch.from_numpy(stored)).numpy() == x).all()
    assert (to_stored(x) == stored).all()


@given(values)
def test_arrays_and_tensors_are_rounded_to_the_same_bytes(x: np.ndarray) -> None:
    stored = to_stored(x)
    assert (to_stored(torch.from_numpy(x)) == stored).all()
    assert (stored.transpose(0, 3, 1, 2)[np.isnan(x)] == 0).all()


def test_every_byte_is_a_number_of_its_own_and_halves_go_to_the_even_one() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(1, 1, 256, 3)
    assert len(np.unique(signed(grey))) == 256
    assert (to_stored(signed(grey)) == grey).all()
    assert to_stored(np.zeros((1, 3, 1, 1), np.float32)).ravel().tolist() == [128] * 3  # of 127.5
