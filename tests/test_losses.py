"""Loss terms against closed forms, and the laws they obey."""

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import binary_cross_entropy_with_logits

from mien.models import losses

seeds = st.integers(0, 2**32 - 1)
numbers = st.floats(-30, 30, width=32)


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_the_kl_is_that_of_torch() -> None:
    mu, logvar = noise(0, 5, 7), noise(1, 5, 7)
    expected = kl_divergence(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(losses.kl_to_standard_normal(mu, logvar), expected)


@given(seeds)
def test_the_kl_is_never_negative_and_zero_only_at_the_standard_normal(seed: int) -> None:
    mu, logvar = noise(seed, 3, 4), noise(seed + 1, 3, 4)
    assert (losses.kl_to_standard_normal(mu, logvar) > 0).all()
    assert (losses.kl_to_standard_normal(torch.zeros(3, 4), torch.zeros(3, 4)) == 0).all()


@given(numbers)
def test_what_the_discriminator_pays_is_the_cross_entropy_of_its_logit(number: float) -> None:
    logit = torch.tensor([number])
    real, fake = torch.ones(1), torch.zeros(1)
    torch.testing.assert_close(
        losses.judged_real(logit), binary_cross_entropy_with_logits(logit, real, reduction="none")
    )
    torch.testing.assert_close(
        losses.judged_fake(logit), binary_cross_entropy_with_logits(logit, fake, reduction="none")
    )


@given(numbers)
def test_judging_real_and_judging_fake_mirror_each_other(number: float) -> None:
    logit = torch.tensor([number])
    assert losses.judged_real(logit).equal(losses.judged_fake(-logit))
    torch.testing.assert_close(losses.judged_fake(logit) - losses.judged_real(logit), logit, rtol=1e-4, atol=1e-4)


def test_a_judgement_stays_finite_where_the_probability_underflows() -> None:
    assert losses.judged_real(torch.tensor([-1e4])) == 1e4
    assert losses.judged_fake(torch.tensor([-1e4])) == 0


def test_the_cross_entropy_of_attributes_is_a_mean_over_them() -> None:
    logits, y = noise(0, 4, 3), (noise(1, 4, 3) > 0).float()
    right = torch.where(y == 1, logits.sigmoid(), 1 - logits.sigmoid())
    torch.testing.assert_close(losses.attribute_cross_entropy(logits, y), -right.log().mean(1))


@given(seeds)
def test_the_squared_error_is_a_symmetric_mean_over_pixels(seed: int) -> None:
    x, x_hat = noise(seed, 2, 3, 4, 4), noise(seed + 1, 2, 3, 4, 4)
    error = losses.squared_error(x_hat, x)
    torch.testing.assert_close(error[0], torch.nn.functional.mse_loss(x_hat[0], x[0]))
    assert error.equal(losses.squared_error(x, x_hat))
    torch.testing.assert_close(losses.squared_error(3 * x_hat, 3 * x), 9 * error)


def test_the_r1_penalty_of_a_linear_discriminator_is_the_squared_norm_of_its_weights() -> None:
    weights, x = noise(0, 3, 4, 4), noise(1, 5, 3, 4, 4).requires_grad_()
    penalty = losses.gradient_penalty_r1((x * weights).sum((1, 2, 3)), x)
    torch.testing.assert_close(penalty, weights.square().sum().expand(5))


def test_the_r1_penalty_can_be_learnt_from() -> None:
    weights, x = noise(0, 3, 4, 4).requires_grad_(), noise(1, 5, 3, 4, 4).requires_grad_()
    losses.gradient_penalty_r1((x * weights).sum((1, 2, 3)), x).mean().backward()
    torch.testing.assert_close(weights.grad, 2 * weights)
