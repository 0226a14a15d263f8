"""Keras 3 on JAX: a compiled training step over stateless calls, as in Keras's guide to training loops in JAX.

The adversarial step is that of the Keras DCGAN example: the discriminator on generated and real images in one batch,
then the generator on new noise. Faces are in memory as stored and scaled within the compiled step.
"""

import os
from collections.abc import Callable
from typing import Any

from worker import KL_WEIGHT, LATENT_DIM, Pace, read_task

os.environ["KERAS_BACKEND"] = "jax"
pace = Pace()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import keras  # noqa: E402
from keras_networks import decoder, encoder  # noqa: E402

pace.tell("imported")

State = dict[str, Any]  # weights and optimizer variables by network
Step = Callable[[State, jax.Array, jax.Array, jax.Array], tuple[State, jax.Array]]


def call(network: keras.Model, weights: Any, given: jax.Array) -> jax.Array:
    """The network with these weights; it has no state besides them."""
    output: jax.Array = network.stateless_call(weights, [], given, training=True)[0]
    return output


def vae(size: int, width: int) -> tuple[State, Step]:
    """Mean squared error and a weighted KL, with RMSprop."""
    networks = encoder(size, width, 2 * LATENT_DIM), decoder(size, width)
    to_moments, to_image = networks
    optimizer = keras.optimizers.RMSprop(1e-3, rho=0.9, epsilon=1e-7)
    optimizer.build([variable for network in networks for variable in network.trainable_variables])
    boundary = len(to_moments.trainable_variables)

    def loss(weights: Any, x: jax.Array, key: jax.Array) -> jax.Array:
        mu, logvar = jnp.split(call(to_moments, weights[:boundary], x), 2, axis=1)
        z = mu + jnp.exp(0.5 * logvar) * jax.random.normal(key, mu.shape)
        x_hat = call(to_image, weights[boundary:], z)
        kl = 0.5 * (mu**2 + jnp.exp(logvar) - logvar - 1).sum(1).mean()
        return ((x_hat - x) ** 2).mean() + KL_WEIGHT * kl

    def step(state: State, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[State, jax.Array]:
        value, gradients = jax.value_and_grad(loss)(state["weights"], x, key)
        weights, variables = optimizer.stateless_apply(state["optimizer"], gradients, state["weights"])
        return {"weights": weights, "optimizer": variables}, value

    weights = [variable.value for network in networks for variable in network.trainable_variables]
    return {"weights": weights, "optimizer": [variable.value for variable in optimizer.variables]}, step


def adversarial(size: int, width: int, attributes: int) -> tuple[State, Step]:
    """The discriminator, then the generator; labels too where there are attributes."""
    networks = {
        "generator": decoder(size, width, LATENT_DIM + attributes),
        "discriminator": encoder(size, width, 1 + attributes),
    }
    optimizers = {name: keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.999, epsilon=1e-8) for name in networks}
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    def generated(weights: Any, y: jax.Array, key: jax.Array) -> jax.Array:
        z = jax.random.normal(key, (len(y), LATENT_DIM))
        return call(networks["generator"], weights, jnp.concatenate([z, y], axis=1))

    def wrong(weights: Any, images: jax.Array, y: jax.Array, truth: jax.Array) -> jax.Array:
        logits = call(networks["discriminator"], weights, images)
        loss: jax.Array = cross_entropy(truth, logits[:, :1])
        return loss + cross_entropy(y, logits[:, 1:]) if attributes else loss

    def moved(state: State, name: str, gradients: Any) -> State:
        weights, variables = optimizers[name].stateless_apply(state[f"{name} optimizer"], gradients, state[name])
        return state | {name: weights, f"{name} optimizer": variables}

    def step(state: State, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[State, jax.Array]:
        first, second = jax.random.split(key)
        real = jnp.ones((len(x), 1))
        both = jnp.concatenate([generated(state["generator"], y, first), x])
        truth, labels = jnp.concatenate([1 - real, real]), jnp.concatenate([y, y])
        state = moved(state, "discriminator", jax.grad(wrong)(state["discriminator"], both, labels, truth))
        value, gradients = jax.value_and_grad(
            lambda weights: wrong(state["discriminator"], generated(weights, y, second), y, real)
        )(state["generator"])
        return moved(state, "generator", gradients), value

    state: State = {}
    for name, network in networks.items():
        optimizers[name].build(network.trainable_variables)
        state[name] = [variable.value for variable in network.trainable_variables]
        state[f"{name} optimizer"] = [variable.value for variable in optimizers[name].variables]
    return state, step


def main() -> None:
    """Train until nobody asks for more."""
    task = read_task()
    images, labels = task.images, task.labels if task.model == "acgan" else task.labels[:, :0]
    size = images.shape[1]
    state, step = vae(size, task.width) if task.model == "vae" else adversarial(size, task.width, labels.shape[1])

    @jax.jit
    def compiled(state: State, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[State, jax.Array]:
        return step(state, x.astype(jnp.float32) / 127.5 - 1, y, key)

    for count, rows in enumerate(task.batches_of_rows()):
        state, loss = compiled(state, images[rows], labels[rows], jax.random.key(count))
        loss.block_until_ready()
        pace.step()


if __name__ == "__main__":
    main()
