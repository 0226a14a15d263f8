"""Recipes: the presets, what can be wrong with one, and what is written is what is read."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from mien.errors import RecipeError
from mien.models import MODELS, build, model_class
from mien.models.convnets import Decoder, Encoder
from mien.recipes.recipe import (
    apply_overrides,
    check,
    load_recipe,
    presets,
    read_toml,
    to_toml,
    toml_value,
    with_source,
)
from mien.studies.plan import load_plan, plan_recipes
from mien.training.loop import make_optimizer
from mien.training.optimizers import RMSprop
from tiny import ADVERSARIAL, CONDITIONAL, ENCODING

TABLE = ", ".join(MODELS)
COURSEWORK = ("vae-coursework", "gan-coursework", "acgan-coursework")


# The presets


@pytest.mark.parametrize("preset", presets())
def test_every_preset_is_a_recipe_whose_networks_take_its_images(preset: str) -> None:
    recipe = load_recipe(preset)
    assert recipe.name == recipe.model.name
    assert preset.startswith(f"{recipe.name}-")
    build(recipe.model, recipe.data.size)


@pytest.mark.parametrize("name", presets("plans"))
def test_every_plan_runs_recipes_that_load(name: str) -> None:
    plan = load_plan(name)
    assert plan.name == name
    assert [recipe.name for recipe in plan_recipes(plan)] == [ENCODING, ADVERSARIAL, CONDITIONAL]


@pytest.mark.parametrize("preset", COURSEWORK)
def test_the_coursework_has_three_layers_of_64_128_256_and_no_normalization(preset: str) -> None:
    recipe = load_recipe(preset)
    model = build(recipe.model, recipe.data.size)
    for body in model.modules():
        if isinstance(body, Encoder | Decoder):
            convolutions = [layer for layer in body.convolutions if hasattr(layer, "stride")]
            assert [layer.stride for layer in convolutions] == [(2, 2)] * 3
            widths = {layer.in_channels for layer in convolutions} | {layer.out_channels for layer in convolutions}
            assert widths == {3, 64, 128, 256}
    assert not list(model.buffers())
    assert (recipe.data.size, recipe.model.latent_dim) == (64, 512)


def test_the_coursework_trains_as_its_report_says() -> None:
    first, second, third = (load_recipe(preset).training for preset in COURSEWORK)
    assert (first.optimizer, first.learning_rate, first.batch_size, first.epochs) == ("rmsprop", 1e-3, 128, 200)
    for training, steps in ((second, 50_000), (third, 15_000)):
        assert (training.optimizer, training.learning_rate, training.beta1) == ("adam", 2e-4, 0.5)
        assert (training.batch_size, training.steps) == (128, steps)
    assert all(training.ema_decay == 0 and training.schedule == "constant" for training in (first, second, third))


def test_the_coursework_rmsprop_has_the_defaults_of_keras() -> None:
    recipe = load_recipe("vae-coursework")
    optimizer = make_optimizer(list(build(recipe.model, 64).parameters()), recipe.training)
    (group,) = optimizer.param_groups
    assert isinstance(optimizer, RMSprop)
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (1e-3, (0, 0.9), 1e-7, 0)


@pytest.mark.parametrize("preset", COURSEWORK[1:])
def test_the_coursework_moves_one_network_at_a_time(preset: str) -> None:
    phases = build(load_recipe(preset).model, 64).phases
    assert [(phase.moves, phase.repeat) for phase in phases] == [(("discriminator",), 1), (("generator",), 1)]


# Overrides


def test_overrides_are_laid_over_a_recipe() -> None:
    changes = ["training.epochs=3", "model.kl_weight = 1e-3", "name=my-faces", "data.source=~/a b"]
    recipe = load_recipe("vae-quick", changes)
    assert (recipe.training.epochs, recipe.model.kl_weight, recipe.name) == (3, 1e-3, "my-faces")
    assert recipe.data.source == "~/a b"


@pytest.mark.parametrize("override", ["training.steps=9", "training.epochs=9"])
def test_a_length_replaces_the_other_kind_of_length(override: str) -> None:
    for preset in presets():
        training = load_recipe(preset, [override]).training
        assert {training.steps, training.epochs} == {9, None}


def test_a_value_is_read_as_toml_and_otherwise_as_text() -> None:
    assert [toml_value(text) for text in ("1", "1e-3", "true", "'a'", "[1, 2]", "a b", "~/x")] == [
        *(1, 1e-3, True, "a", [1, 2]),
        *("a b", "~/x"),
    ]


def test_overrides_leave_the_table_as_it_was() -> None:
    table = {"training": {"steps": 1}}
    assert apply_overrides(table, ["training.epochs=2"]) == {"training": {"epochs": 2}}
    assert table == {"training": {"steps": 1}}


def test_a_folder_becomes_absolute_and_drawn_faces_stay_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe("vae-quick")
    sources = ("drawn", "drawn:5", "faces", "drawn-by-hand", "drawn/faces")
    given = [with_source(recipe, source).data.source for source in sources]
    assert given == ["drawn", "drawn:5", *(str(tmp_path / source) for source in sources[2:])]


# Mistakes


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "training.learning_rte=1",
            r"training.learning_rte is not a key. Did you mean 'learning_rate'\? Keys here: .*rho",
        ),
        (
            "model.latent_dmi=1",
            r"model.latent_dmi is not a key. Did you mean 'latent_dim'\? Keys here: name, latent_dim",
        ),
        ("data.horizontal_flip=true", r"data.horizontal_flip is not a key. Did you mean 'horizontal_flips'\?"),
        ("modle.width=3", r"modle is not a key. Did you mean 'model'\? Keys here: name, data, model, training"),
        ("training.learning_rate=fast", r"training.learning_rate is 'fast': input should be a valid number"),
        ("model.latent_dim=8.5", r"model.latent_dim is 8.5: input should be a valid integer.*\(numbers in a latent\)"),
        ("model.width=0", r"model.width is 0: input should be greater than or equal to 1"),
        ("model.normalization=layer", r"model.normalization is 'layer': input should be 'none', 'batch' or 'group'"),
        ("training.optimizer=sgd", r"training.optimizer is 'sgd': input should be 'adam' or 'rmsprop'"),
        ("data.size=48", r"data.size is 48: input should be 32, 64 or 128"),
        ("data.crop=centre", r"data.crop is 'centre': input should be 'auto' or 'square' .*left, top, right, bottom"),
        (
            f"model.name={ENCODING}s",
            rf"model.name is '{ENCODING}s', which is not a model. Did you mean '{ENCODING}'\? Models: {TABLE}",
        ),
        ("model=3", r"model is 3: it is a section; set the keys in it"),
        ("name=a/b", r"name is 'a/b': string should match"),
        ("training.epochs", r"^'training.epochs': expected key=value, such as training.epochs=10"),
        ("=3", r"^'=3': expected key=value"),
        ("training.epochs.x=3", r"'epochs' is a value, not a section"),
    ],
)
def test_a_mistake_names_the_key_what_was_given_and_what_is_allowed(override: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe("vae-quick", [override])


def test_the_keys_that_are_offered_are_those_of_the_model_in_question() -> None:
    with pytest.raises(RecipeError, match=r"model.kl_weight is not a key") as caught:
        load_recipe("gan-quick", ["model.kl_weight=1"])
    assert "kl_weight" not in str(caught.value).split("Keys here: ")[1]


@pytest.mark.parametrize("length", [{"epochs": 1, "steps": 1}, {}])
def test_a_length_is_given_in_epochs_or_in_steps(length: dict[str, int]) -> None:
    with pytest.raises(RecipeError, match=r"^mine: training needs exactly one of epochs and steps"):
        check({"name": ENCODING, "model": {"name": ENCODING}, "training": length}, "mine")


def test_a_missing_section_is_named() -> None:
    with pytest.raises(RecipeError, match=r"^mine: model is missing; add it"):
        check({"name": ENCODING, "training": {"steps": 1}}, "mine")


def test_a_recipe_that_is_not_there_is_missed_with_the_nearest_preset() -> None:
    (preset, *_), nothing = presets(), r"neither a preset nor a TOML file"
    with pytest.raises(RecipeError, match=rf"^{preset}x: {nothing}. Did you mean '{preset}'\?"):
        read_toml(f"{preset}x")


def test_a_file_that_is_not_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "a"\nname =\n')
    with pytest.raises(RecipeError, match=r"mine.toml: is not TOML that can be read: .*line 2"):
        load_recipe(tmp_path / "mine.toml")


def test_a_plan_with_a_wrong_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "mine"\ntitle = "Mine"\nrecipe = ["vae-quick"]')
    with pytest.raises(RecipeError, match=r"mine.toml: recipes is missing|recipe is not a key. Did you mean 'recipes'"):
        load_plan(tmp_path / "mine.toml")


# What is written is what is read


@given(
    st.sampled_from(list(presets())),
    st.fixed_dictionaries(
        {},
        optional={
            "training.learning_rate": st.floats(1e-8, 9),
            "training.seed": st.integers(0, 2**32 - 1),
            "training.steps": st.integers(1, 10**9),
            "training.schedule": st.sampled_from(["constant", "cosine"]),
            "model.width": st.integers(1, 4096),
            "data.source": st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1),
            "data.crop": st.sampled_from(["auto", "square", [25, 50, 153, 178]]),
            "data.horizontal_flips": st.booleans(),
        },
    ),
)
def test_a_recipe_survives_being_written_and_read(preset: str, changes: dict[str, Any]) -> None:
    _, table = read_toml(preset)
    table = {key: dict(value) if isinstance(value, dict) else value for key, value in table.items()}
    if "training.steps" in changes:
        table["training"].pop("epochs", None)
    for key, value in changes.items():
        section, name = key.split(".")
        table[section][name] = value
    recipe = check(table, "made")
    assert check(tomllib.loads(to_toml(recipe)), "read") == recipe


@pytest.mark.parametrize("name", MODELS)
def test_a_written_recipe_has_every_default_in_it(name: str) -> None:
    written = to_toml(tiny.recipe(name))
    for key in ("crop", "rho", "seed", "device", *model_class(name).Config.model_fields):
        assert f"\n{key} = " in written
