"""What the AC-GAN alone does: how attributes join the noise, and what its head learns on."""

import tiny
from mien.models import build
from mien.recipes.recipe import load_recipe


def test_the_coursework_acgan_takes_noise_and_male_as_513_numbers() -> None:
    recipe = load_recipe("acgan-coursework")
    model = build(recipe.model, 64)
    assert (recipe.model.attributes, recipe.model.label_conditioning) == (("Male",), "concat")
    assert model.generator.decoder.stem.in_features == 513
    assert model.discriminator.head.out_features == 2


def test_the_head_learns_on_generated_images_only_where_it_is_asked_to() -> None:
    terms = {
        asked: tiny.model("acgan", classify_generated=asked).discriminator_loss(tiny.batch(tiny.model("acgan")))
        for asked in (True, False)
    }
    assert terms[True].keys() - terms[False].keys() == {"classification_fake"}
    assert terms[False]["classification_real"].value == terms[True]["classification_real"].value
