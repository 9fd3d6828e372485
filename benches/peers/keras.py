"""Speed of a training step of Keras on TensorFlow on the CPU, as the study's script wrote it. Synthetic pixels.

python3 keras.py BACKBONE PIXELS BATCH FROZEN     BACKBONE: resnet50 or efficientnet_b0; PIXELS: a multiple of 32;
                                                  FROZEN: 1 trains the head alone, 0 trains all

Prints one JSON line: images per second at the median of eight steps, after two to warm up.
"""
import json
import os
import pathlib
import statistics
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# This file has the name of the library.
sys.path = [place for place in sys.path if pathlib.Path(place or ".").resolve() != pathlib.Path(__file__).resolve().parent]

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

WARM_UP, STEPS = 2, 8
keras = tf.keras
BACKBONES = {"resnet50": keras.applications.ResNet50, "efficientnet_b0": keras.applications.EfficientNetB0}


def model(backbone, pixels, frozen):
    inputs = keras.Input((32, 32, 3))
    enlarged = keras.layers.UpSampling2D(pixels // 32)(inputs) if pixels != 32 else inputs
    base = BACKBONES[backbone](include_top=False, weights=None, input_shape=(pixels, pixels, 3))
    base.trainable = not frozen
    features = keras.layers.GlobalAveragePooling2D()(base(enlarged, training=False) if frozen else base(enlarged))
    hidden = keras.layers.Dense(256, activation="relu")(keras.layers.Dropout(0.2)(features))
    classes = keras.layers.Dense(100, activation="softmax")(keras.layers.BatchNormalization()(hidden))
    built = keras.Model(inputs, classes)
    built.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return built


def main(backbone, pixels, batch, frozen):
    built = model(backbone, pixels, frozen)
    images = np.random.rand(batch, 32, 32, 3).astype("float32") * 255
    classes = np.eye(100, dtype="float32")[np.random.randint(0, 100, batch)]
    seconds = []
    for _ in range(WARM_UP + STEPS):
        began = time.perf_counter()
        built.train_on_batch(images, classes)
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"images_per_second": round(batch / statistics.median(seconds[WARM_UP:]), 2)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1")
