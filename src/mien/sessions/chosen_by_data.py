"""What a recipe leaves to the data: the attributes of a conditional model, and whether images are altered."""

import numpy as np

from mien.faces import Faces
from mien.models.options import AUTO
from mien.recipes.recipe import Recipe

PREFERRED = ("Male", "Smiling", "Eyeglasses")  # changes that are often asked for, and that small pictures show
MOST = 3
# Of 240 photographs, altering is seen at once, and the distance to others falls by a tenth; a set that is passed over a
# few times is not known by heart.
SMALL, FOR_SMALL_SETS = 5_000, 300.0  # training images, and passes
FEWEST = 10  # training faces with an attribute, and as many without, so that it can be learnt


def settle_by_data(recipe: Recipe, faces: Faces) -> tuple[Recipe, str]:
    """The recipe with all chosen that it leaves to the data, and why it cannot be run, or ''.

    Raises: as `settle_attributes`.
    """
    chosen, why = settle_attributes(recipe, faces)
    return settle_augmentation(chosen, faces), why


def settle_augmentation(recipe: Recipe, faces: Faces) -> Recipe:
    """The recipe with images altered for a small set, and not for a large one, where it says 'auto'."""
    if getattr(recipe.model, "augmentation_passes", None) != AUTO:
        return recipe
    passes = FOR_SMALL_SETS if len(faces.rows("train")) < SMALL else 0.0
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"augmentation_passes": passes})})


def settle_attributes(recipe: Recipe, faces: Faces) -> tuple[Recipe, str]:
    """The recipe with its attributes chosen, and why it cannot be run, or ''.

    Raises: DataError, with the nearest name, for an attribute that the faces do not have.
    """
    if not hasattr(recipe.model, "attributes"):
        return recipe, ""
    named: tuple[str, ...] = recipe.model.attributes
    if named and faces.attribute_names:
        faces.columns(named)
    usable = usable_attributes(faces)
    if not usable:
        table = f"none of its {len(faces.attribute_names)}" if faces.attribute_names else "no attributes"
        return recipe, (
            f"it needs an attribute that at least {FEWEST} training faces have and {FEWEST} have not, "
            f"and {faces.card['source']} has {table}."
        )
    for name in named:
        if name not in usable:
            return recipe, f"fewer than {FEWEST} training faces are with, or without, {name}, so it cannot be learnt."
    chosen = named or tuple(n for n in PREFERRED if n in usable) or tuple(usable[:MOST])
    return recipe.model_copy(update={"model": recipe.model.model_copy(update={"attributes": chosen})}), ""


def usable_attributes(faces: Faces) -> list[str]:
    """The attributes that enough training faces have and have not, the most evenly divided first."""
    values = faces.attributes[faces.rows("train")]
    fewer = np.minimum((values == 0).sum(0), (values == 1).sum(0))
    return [faces.attribute_names[column] for column in np.argsort(-fewer, kind="stable") if fewer[column] >= FEWEST]
