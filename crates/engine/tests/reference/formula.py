"""Weights and inputs from a formula, so that PyTorch and warmstart need not exchange files.

The name of a tensor in a state dict determines its numbers:
  h   = FNV-1a 64 of the name (UTF-8)
  z_i = splitmix64 output for state h + (i + 1) * 0x9E3779B97F4A7C15   (i = flat row-major index)
  u_i = (z_i >> 11) / 2^53 * 2 - 1                                      in [-1, 1)
  *.running_mean -> 0.1 u ; *.running_var -> 1 + 0.5 u ; weight of a normalization and *.gamma -> 1 + 0.1 u ;
  any bias, cls_token, reg_token and pos_embed -> 0.1 u
  weight of a convolution or a dense layer -> u * sqrt(6 / fan_in), fan_in = product of all dims except the first
"""
import math

import numpy as np
import torch

MASK = (1 << 64) - 1


def stream(name, shape):
    """Numbers in [-1, 1) of the given shape, in float64."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) & MASK
    count = math.prod(shape)
    with np.errstate(over="ignore"):
        z = np.uint64(state) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    u = (z >> np.uint64(11)).astype(np.float64) / 2.0**53 * 2 - 1
    return torch.from_numpy(u).reshape(shape)


def value(name, shape):
    """The formula's values for the tensor of this name, in float32."""
    u = stream(name, shape)
    kind = name.rsplit(".", 1)[-1]
    if kind == "running_var":
        out = 1 + 0.5 * u
    elif kind in ("running_mean", "bias", "cls_token", "reg_token", "pos_embed"):
        out = 0.1 * u
    elif kind == "gamma" or len(shape) == 1:
        out = 1 + 0.1 * u
    else:
        out = u * math.sqrt(6 / math.prod(shape[1:]))
    return out.float()


def fill(model, rename=lambda name: name):
    """Fills all tensors of a module except counters; `rename` maps the module's names to the formula's."""
    state = model.state_dict()
    with torch.no_grad():
        for name, tensor in state.items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(value(rename(name), tuple(tensor.shape)))
    return model


def mix(z):
    """The output of SplitMix64 for a state."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def derive(seed, purpose, epoch, step):
    """The seed of one use of randomness (crates/schema/src/seed.rs)."""
    name = 0xCBF29CE484222325
    for byte in purpose.encode():
        name = ((name ^ byte) * 0x100000001B3) & MASK
    hash = mix(seed)
    for part in (name, epoch, step):
        rotated = ((hash << 23) | (hash >> 41)) & MASK
        hash = mix(rotated ^ mix((part + hash) & MASK))
    return hash


def order(seed, epoch, count):
    """The order of an epoch's images (crates/schema/src/seed.rs)."""
    state, items = derive(seed, "shuffle", epoch, 0), list(range(count))
    for i in range(count - 1, 0, -1):
        bound = i + 1
        while True:
            state = (state + 0x9E3779B97F4A7C15) & MASK
            product = mix(state) * bound
            if (product & MASK) >= ((1 << 64) - bound) % bound:
                break
        j = product >> 64
        items[i], items[j] = items[j], items[i]
    return items
