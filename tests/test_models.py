"""The contract of every model, of the table and of a user's own file, and what each one can do."""

import dataclasses
from pathlib import Path

import pytest
import torch

import tiny
from mien.errors import RecipeError
from mien.models import MODELS, model_class
from mien.models.base import Batch, Classifies, Discriminates, Encodes, Model, Terms
from mien.models.convnets import Decoder, Encoder
from mien.models.layer_table import layer_table
from mien.pictures import of_models
from mien.training.loop import freeze_all_but

NAMES = {name: name for name in MODELS} | tiny.PROBES
every_model = pytest.mark.parametrize("name", NAMES, ids=NAMES.values())
OPTIONS = (
    {"depth": 2},
    {"depth": 4},
    {"width": 3},
    {"latent_dim": 1},
    {"normalization": "batch"},
    {"normalization": "group"},
    {"generator_normalization": "batch"},
    {"prior": "flow"},
    {"kl_weight": 0.0},
    {"label_conditioning": "embedding"},
    {"attributes": ("Male",)},
    {"classification_weight": 0.0},
    {"classify_generated": False},
    {"discriminator_updates": 3},
    {"r1_weight": 1.0, "r1_every": 1},
    {"r1_weight": 1.0, "r1_every": 1, "augmentation_passes": 1.0},
    {"encoder": True, "generator_normalization": "batch"},
)
CONDITIONAL = {name: title for name, title in NAMES.items() if tiny.has_attributes(name)}
conditional = pytest.mark.parametrize("name", CONDITIONAL, ids=CONDITIONAL.values())


def everything_on(name: str) -> Model:
    """A model with batch normalization and every phase its options can give it."""
    options = {"normalization": "batch", "r1_weight": 1.0, "r1_every": 1, "discriminator_updates": 2, "prior": "flow"}
    fields = model_class(name).Config.model_fields
    return tiny.model(name, **{key: value for key, value in options.items() if key in fields})


@every_model
@pytest.mark.parametrize("size", [32, 64, 128])
def test_generated_images_are_float32_of_the_right_size_and_range(name: str, size: int) -> None:
    model = tiny.model(name, size=size)
    x = model.generate(100 * torch.randn(3, model.latent_dim), tiny.labels(model, 3))
    assert (x.shape, x.dtype) == ((3, 3, size, size), torch.float32)
    assert x.abs().max() <= 1


@every_model
def test_generated_images_are_float32_in_mixed_precision_too(name: str) -> None:
    model = tiny.model(name)
    with torch.autocast("cpu", torch.bfloat16):
        assert model.generate(torch.randn(2, model.latent_dim), tiny.labels(model, 2)).dtype == torch.float32
        terms = [term for phase in model.phases for term in phase.loss(tiny.batch(model)).values()]
        assert all(term.value.dtype == torch.float32 for term in terms)


@every_model
def test_a_phase_gives_finite_scalars_and_gradients_only_where_it_moves(name: str) -> None:
    model = everything_on(name)
    for phase in model.phases:
        freeze_all_but(model, phase.moves)
        model.zero_grad()
        terms = phase.loss(tiny.batch(model))
        assert all(term.value.shape == () and term.value.isfinite() for term in terms.values())
        sum(term.weighted for term in terms.values()).backward()
        reached = {network for network, body in model.named_children() if any_gradient(body)}
        assert reached == set(phase.moves)


def any_gradient(body: torch.nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in body.parameters())


@every_model
def test_a_network_that_does_not_move_keeps_its_weights_and_its_running_statistics(name: str, tmp_path: Path) -> None:
    for index in range(len(everything_on(name).phases)):
        model = everything_on(name)
        model.phases = (dataclasses.replace(model.phases[index], start=0, end=1),)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        tiny.trainer(model, tmp_path, checkpoint=f"{index}.safetensors", steps=2).run()
        changed = {key.split(".")[0] for key, value in model.state_dict().items() if not value.equal(before[key])}
        assert changed == set(model.phases[0].moves)


@every_model
def test_the_running_statistics_of_a_network_that_moves_are_learnt(name: str, tmp_path: Path) -> None:
    model = everything_on(name)
    tiny.trainer(model, tmp_path, steps=2).run()
    layers = sum(isinstance(layer, torch.nn.BatchNorm2d) for layer in model.modules())
    counts = [value for key, value in model.state_dict().items() if key.endswith("num_batches_tracked")]
    assert len(counts) == layers
    assert all(count > 0 for count in counts)


@every_model
def test_sampling_is_deterministic_and_each_image_stands_alone(name: str) -> None:
    model = everything_on(name).train()
    z = of_models.latents(model, 6, seed=1)
    together = of_models.generate(model, z, tiny.labels(model, 6))
    assert (together == of_models.generate(model, z, tiny.labels(model, 6))).all()
    alone = of_models.generate(model, z[:1], tiny.labels(model, 1))
    assert abs(alone.astype(int) - together[:1]).max() <= 1  # a product of another shape may round differently
    assert model.training


@every_model
def test_a_model_can_do_what_its_abilities_promise(name: str) -> None:
    model, batch = tiny.model(name), tiny.batch(tiny.model(name))
    y = batch.y if model.attributes else None
    if isinstance(model, Encodes):
        assert [latent.shape for latent in model.encode(batch.x, y)] == [(8, 8), (8, 8)]
        assert model.reconstruct(batch.x, y).shape == batch.x.shape
        assert model.decoder_variance() >= 0
    if isinstance(model, Classifies):
        assert model.classify(batch.x).shape == batch.y.shape
    if isinstance(model, Discriminates):
        assert model.realness(batch.x, y).shape == (8,)


@pytest.mark.parametrize("ability", [Encodes, Classifies, Discriminates])
def test_some_model_has_each_ability(ability: type[Model]) -> None:
    assert issubclass(model_class(tiny.some(ability)), ability)


@every_model
def test_a_model_says_what_it_is_and_names_its_phases_once(name: str) -> None:
    model = everything_on(name)
    assert model.title
    assert model.about.endswith(".")
    assert len({phase.name for phase in model.phases}) == len(model.phases)
    assert all(sentence.endswith(".") for sentence in model.describe())
    for phase in model.phases:
        assert phase.terms.keys() >= phase.loss(tiny.batch(model)).keys() or phase.title


def draws_past_its_batch(model: Model) -> str:
    """Which phase draws otherwise for half a batch than for the whole, in words; '' where none does."""
    whole = tiny.batch(model)
    for phase in model.phases:
        drawn = []
        for batch in (whole, whole.halves()[0]):
            torch.manual_seed(3)
            phase.loss(batch)
            drawn.append(torch.get_rng_state())
        if not drawn[0].equal(drawn[1]):
            return (
                f"the loss of {phase.name} draws random numbers past its batch, as many as it has images, so that a "
                "batch in pieces draws others. Draw by batch.noise, batch.uniform or batch.drawn."
            )
    return ""


@every_model
def test_a_loss_draws_through_its_batch_alone(name: str) -> None:
    assert not draws_past_its_batch(everything_on(name))


def test_a_loss_that_draws_past_its_batch_is_found_out() -> None:
    model = tiny.model(tiny.some())
    first, *others = model.phases

    def loss(batch: Batch) -> Terms:
        torch.rand(len(batch.x))
        return first.loss(batch)

    model.phases = (dataclasses.replace(first, loss=loss), *others)
    assert draws_past_its_batch(model).startswith(f"the loss of {first.name} draws random numbers past its batch")


@every_model
def test_a_loss_is_the_same_for_the_same_batch_and_seed(name: str) -> None:
    model, values = everything_on(name), []
    for _ in range(2):
        torch.manual_seed(3)
        terms = [term for phase in model.phases for term in phase.loss(tiny.batch(model)).values()]
        values.append([float(term.weighted.detach()) for term in terms])
    assert values[0] == values[1]


@pytest.mark.parametrize(
    ("name", "option"),
    [
        pytest.param(name, option, id=f"{title}-{option.get('label_conditioning', 'as it is')}")
        for name, title in CONDITIONAL.items()
        for option in ({}, {"label_conditioning": "concat"}, {"label_conditioning": "embedding"})
        if option.keys() <= model_class(name).Config.model_fields.keys()
    ],
)
def test_an_attribute_changes_the_image_and_nothing_else_does(name: str, option: dict[str, str]) -> None:
    model = tiny.model(name, **option)
    z, y = torch.randn(4, model.latent_dim), torch.zeros(4, 2)
    off, on = of_models.pairs(model, z, y, "Smiling")
    assert (off == of_models.generate(model, z, y)).all()
    assert (off != on).any((1, 2, 3)).all()
    assert (on == of_models.generate(model, z, torch.tensor([[0.0, 1.0]]).expand(4, 2))).all()


@conditional
def test_a_pair_comes_from_the_same_noise(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = tiny.model(name), []
    plain = model.generate
    monkeypatch.setattr(model, "generate", lambda z, y: (seen.append((z, y)), plain(z, y))[1])
    z = of_models.latents(model, 4, seed=0)
    of_models.pairs(model, z, torch.zeros(4, 2), "Male")
    ((of_off, off), (of_on, on)), expected = seen, torch.tensor([[1.0, 0.0]]).expand(4, 2)
    assert of_off.equal(z)
    assert of_on.equal(z)
    assert (on - off).equal(expected)


@conditional
def test_a_conditional_model_refuses_to_generate_without_attributes(name: str) -> None:
    with pytest.raises(ValueError, match="needs attributes"):
        tiny.model(name).generate(torch.zeros(1, 8))


@pytest.mark.parametrize(
    ("name", "option"),
    [
        pytest.param(name, option, id=f"{title}-{option}")
        for name, title in NAMES.items()
        for option in OPTIONS
        if option.keys() <= model_class(name).Config.model_fields.keys()
    ],
)
def test_every_option_of_a_model_builds_and_trains_a_step(name: str, option: dict[str, object], tmp_path: Path) -> None:
    model = tiny.model(name, **option)
    before = [p.detach().clone() for p in model.parameters()]
    tiny.trainer(model, tmp_path).run()
    assert any(not p.equal(old) for p, old in zip(model.parameters(), before, strict=True))


@pytest.mark.parametrize("body", [Encoder, Decoder])
@pytest.mark.parametrize(("size", "deepest"), [(32, 4), (64, 5), (128, 6)])
def test_an_image_that_cannot_be_halved_so_often_is_refused(
    body: type[Encoder | Decoder], size: int, deepest: int
) -> None:
    body(size, 1, deepest, 1)
    with pytest.raises(RecipeError, match=rf"depth is {deepest + 1}.*{size} x {size}.*1 to {deepest}"):
        body(size, 1, deepest + 1, 1)


@every_model
def test_the_table_of_layers_counts_every_parameter_and_leaves_the_model_alone(name: str) -> None:
    model = everything_on(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    layers = layer_table(model)
    assert sum(layer.parameters for layer in layers) == sum(p.numel() for p in model.parameters())
    assert {layer.network for layer in layers} == {network for network, _ in model.named_children()}
    assert (3, 32, 32) in {layer.shape for layer in layers}
    assert all(value.equal(before[key]) for key, value in model.state_dict().items())
