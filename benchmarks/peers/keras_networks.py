"""The coursework's networks in Keras 3: the same layers, in Keras's own layout [N,S,S,3]."""

import keras
from keras import layers
from worker import DEPTH, LATENT_DIM


def encoder(size: int, width: int, outputs: int) -> keras.Model:
    """Stride-2 convolutions, then one linear layer.  [N,S,S,3] -> [N,outputs]"""
    x = inputs = keras.Input((size, size, 3))
    for level in range(DEPTH):
        x = layers.Conv2D(width * 2**level, 4, strides=2, padding="same")(x)
        x = layers.LeakyReLU(negative_slope=0.2)(x)
    return keras.Model(inputs, layers.Dense(outputs)(layers.Flatten()(x)))


def decoder(size: int, width: int, inputs: int = LATENT_DIM) -> keras.Model:
    """One linear layer, then stride-2 transposed convolutions.  [N,inputs] -> [N,S,S,3]"""
    side, channels = size >> DEPTH, width * 2 ** (DEPTH - 1)
    z = keras.Input((inputs,))
    x = layers.Reshape((side, side, channels))(layers.Dense(channels * side * side, activation="relu")(z))
    for level in reversed(range(DEPTH)):
        filters, activation = (width * 2 ** (level - 1), "relu") if level else (3, "tanh")
        x = layers.Conv2DTranspose(filters, 4, strides=2, padding="same", activation=activation)(x)
    return keras.Model(z, x)
