"""Keras 3 on TensorFlow: models with a train_step of their own, as in the Keras examples, and `fit`.

The adversarial step is that of the Keras DCGAN example: the discriminator on generated and real images in one batch,
then the generator on new noise. Faces come from memory through tf.data.
"""

import os

from worker import KL_WEIGHT, LATENT_DIM, Pace, Task, read_task

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pace = Pace()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import ops  # noqa: E402
from keras_networks import decoder, encoder  # noqa: E402

pace.tell("imported")

Tensors = dict[str, tf.Tensor]


class VAE(keras.Model):
    """Mean squared error and a weighted KL."""

    def __init__(self, task: Task, size: int) -> None:
        super().__init__()
        self.to_moments = encoder(size, task.width, 2 * LATENT_DIM)
        self.to_image = decoder(size, task.width)
        self.seeds = keras.random.SeedGenerator(0)

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Tensors:
        """One update."""
        x, _ = batch
        with tf.GradientTape() as tape:
            mu, logvar = ops.split(ops.cast(self.to_moments(x, training=True), "float32"), 2, axis=1)
            z = mu + ops.exp(0.5 * logvar) * keras.random.normal(ops.shape(mu), seed=self.seeds)
            x_hat = ops.cast(self.to_image(z, training=True), "float32")
            kl = 0.5 * ops.mean(ops.sum(ops.square(mu) + ops.exp(logvar) - logvar - 1, axis=1))
            loss = ops.mean(ops.square(x_hat - x)) + KL_WEIGHT * kl
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


class Adversarial(keras.Model):
    """GAN, and AC-GAN where there are attributes."""

    def __init__(self, task: Task, size: int, attributes: int) -> None:
        super().__init__()
        self.attributes = attributes
        self.generator = decoder(size, task.width, LATENT_DIM + attributes)
        self.discriminator = encoder(size, task.width, 1 + attributes)
        self.of_generator, self.of_discriminator = (
            keras.optimizers.Adam(2e-4, beta_1=0.5, beta_2=0.999, epsilon=1e-8) for _ in range(2)
        )
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        self.seeds = keras.random.SeedGenerator(0)

    def generated(self, y: tf.Tensor) -> tf.Tensor:
        """Images from new noise, and from attributes."""
        z = keras.random.normal((ops.shape(y)[0], LATENT_DIM), seed=self.seeds)
        return self.generator(ops.concatenate([z, y], axis=1), training=True)

    def wrong(self, images: tf.Tensor, y: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
        """How wrong the discriminator is, and its auxiliary head."""
        logits = ops.cast(self.discriminator(images, training=True), "float32")
        loss = self.cross_entropy(truth, logits[:, :1])
        return loss + self.cross_entropy(y, logits[:, 1:]) if self.attributes else loss

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Tensors:
        """One update of the discriminator, then one of the generator."""
        x, y = batch
        real = ops.ones((ops.shape(x)[0], 1))
        both = ops.concatenate([ops.cast(self.generated(y), "float32"), x], axis=0)
        truth, labels = ops.concatenate([1 - real, real], axis=0), ops.concatenate([y, y], axis=0)
        with tf.GradientTape() as tape:
            loss_of_discriminator = self.wrong(both, labels, truth)
        weights = self.discriminator.trainable_weights
        self.of_discriminator.apply(tape.gradient(loss_of_discriminator, weights), weights)
        with tf.GradientTape() as tape:
            loss_of_generator = self.wrong(self.generated(y), y, real)
        weights = self.generator.trainable_weights
        self.of_generator.apply(tape.gradient(loss_of_generator, weights), weights)
        return {"discriminator": loss_of_discriminator, "generator": loss_of_generator}


class Paced(keras.callbacks.Callback):
    """Keeps pace with the benchmark."""

    def on_train_batch_end(self, batch: int, logs: Tensors | None = None) -> None:
        """A step is done."""
        pace.step()


def main() -> None:
    """Train until nobody asks for more."""
    task = read_task()
    if task.precision == "bfloat16":
        keras.mixed_precision.set_global_policy("mixed_bfloat16")
    images, labels = task.images, task.labels if task.model == "acgan" else task.labels[:, :0]
    faces = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images)).repeat()
    faces = faces.batch(task.batch, drop_remainder=True)
    faces = faces.map(lambda x, y: (tf.cast(x, tf.float32) / 127.5 - 1, y)).prefetch(tf.data.AUTOTUNE)
    size = images.shape[1]
    model = VAE(task, size) if task.model == "vae" else Adversarial(task, size, labels.shape[1])
    model.compile(keras.optimizers.RMSprop(1e-3, rho=0.9, epsilon=1e-7))
    model.fit(faces, epochs=1, verbose=0, callbacks=[Paced()])


if __name__ == "__main__":
    main()
