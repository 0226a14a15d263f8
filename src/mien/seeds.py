"""Every fixed seed and what it is for; the seed of a training stands in its recipe.

Each class holds the seeds of one generator. They differ, so that nothing is measured on the draws that chose it.
"""

from enum import IntEnum, unique


@unique
class Seed(IntEnum):
    """Of `numpy.random.default_rng`, which latents and labels are drawn with."""

    SHOWN = 0  # samples on sheets, in reports and of `mien sample`: the first ones, none is picked
    MEASURED = 1  # samples that metrics are of
    SNAPSHOT = 2  # samples that choose the best weights while a run trains
    POSTERIOR = 3  # latents from q(z given x)
    ROTATED = 4  # the shuffle and the rotation that scores of latents are compared with
    UNRELATED = 5  # which unrelated faces are put beside each other
    PAIRS = 6  # noise and other attributes of pairs of faces that differ in one attribute
    PRIOR = 7  # latents from N(0, I) beside the aggregate posterior
    BOOTSTRAP = 8  # faces that the interval of an R² is of


@unique
class RendererSeed(IntEnum):
    """Of the generator of drawn faces, where face i of a seed is always the same."""

    FACES = 0  # the embedded set
    PAIRS = 2  # people drawn without and with an attribute


@unique
class TorchSeed(IntEnum):
    """Of PyTorch's generator."""

    JUDGE = 0  # the first weights of the judge
    EXPORT = 1  # inputs on which an exported network is compared with PyTorch


MAP = 0  # of scikit-learn's t-SNE: maps of latents
