"""The converter reads an untrusted pickle: what it must refuse, and that a refusal leaves no file."""

import collections
import io
import json
import os
import pickle
import resource
import struct
import subprocess
import sys
import tempfile
import unittest
import zlib
from unittest import mock

SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, SCRIPTS)
import fetch_weights as fw  # noqa: E402
from setup_libtorch import Failure  # noqa: E402


class Global:
    """Pickles as a reference to module.name."""

    def __init__(self, module, name):
        self.text = b"c" + module.encode() + b"\n" + name.encode() + b"\n"


class Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class Stored:
    def __init__(self, *pid):
        self.pid = pid


def dump(value):
    """A pickle of value, protocol 2, written by hand, so that these tests do not need torch."""
    if isinstance(value, Global):
        return value.text
    if isinstance(value, Call):
        return dump(value.function) + dump(value.arguments) + b"R"
    if isinstance(value, Stored):
        return dump(value.pid) + b"Q"
    if isinstance(value, collections.OrderedDict):
        items = b"".join(dump(k) + dump(v) for k, v in value.items())
        return dump(Global("collections", "OrderedDict")) + b")R(" + items + b"u"
    if isinstance(value, tuple):
        return b"(" + b"".join(dump(v) for v in value) + b"t"
    return pickle.dumps(value, 2)[2:-1]


def pickled(value):
    return b"\x80\x02" + dump(value) + b"."


F32, I64 = Global("torch", "FloatStorage"), Global("torch", "LongStorage")


def tensor(key, kind, shape, strides=None, offset=0, count=None):
    total = 1
    for n in shape:
        total *= n
    if strides is None:
        strides, step = [], 1
        for n in reversed(shape):
            strides.insert(0, step)
            step *= n
    storage = Stored("storage", kind, key, "cpu", total if count is None else count, None)
    rebuild = Global("torch._utils", "_rebuild_tensor_v2")
    return Call(rebuild, storage, offset, tuple(shape), tuple(strides), False, collections.OrderedDict())


def checkpoint(tensors, storages, magic=0x1950A86A20F9469CFC6C, little=True):
    parts = [pickle.dumps(magic, 2), pickle.dumps(1001, 2), pickle.dumps({"little_endian": little}, 2)]
    parts += [pickled(tensors), pickle.dumps(sorted(storages), 2)]
    for key in sorted(storages):
        count, raw = storages[key]
        parts.append(struct.pack("<q", count) + raw)
    return b"".join(parts)


def floats(*values):
    return len(values), struct.pack("<%df" % len(values), *values)


def lite0():
    """A checkpoint with the tensor names of EfficientNet-Lite0 and one number in each tensor."""
    tensors, storages = collections.OrderedDict(), {}
    for n, (theirs, _) in enumerate(fw.names()):
        counter = theirs.endswith("num_batches_tracked")
        tensors[theirs] = tensor(str(n), I64 if counter else F32, () if counter else (1,))
        storages[str(n)] = (1, struct.pack("<q", n)) if counter else floats(float(n))
    return checkpoint(tensors, storages)


class Reading(unittest.TestCase):
    def test_tensors_are_read_in_row_major_order(self):
        tensors = collections.OrderedDict(
            plain=tensor("a", F32, (2, 3)),
            turned=tensor("a", F32, (3, 2), strides=(1, 3)),
            part=tensor("a", F32, (2,), strides=(2,), offset=3),
            repeated=tensor("a", F32, (3,), strides=(0,), offset=1),
            scalar=tensor("b", I64, ()),
        )
        for view in list(tensors.values())[1:4]:
            view.arguments[0].pid = view.arguments[0].pid[:4] + (6, None)
        data = checkpoint(tensors, {"a": floats(0, 1, 2, 3, 4, 5), "b": (1, struct.pack("<q", -7))})
        got = {k: (d, s, struct.unpack("<%d%s" % (len(b) // (4 if d == "F32" else 8), "f" if d == "F32" else "q"), b))
               for k, (d, s, b) in fw.read_checkpoint(data).items()}
        self.assertEqual(got["plain"], ("F32", (2, 3), (0, 1, 2, 3, 4, 5)))
        self.assertEqual(got["turned"], ("F32", (3, 2), (0, 3, 1, 4, 2, 5)))
        self.assertEqual(got["part"], ("F32", (2,), (3, 5)))
        self.assertEqual(got["repeated"], ("F32", (3,), (1, 1, 1)))
        self.assertEqual(got["scalar"], ("I64", (), (-7,)))

    def test_there_are_296_names_each_once(self):
        pairs = fw.names()
        self.assertEqual(len(pairs), 296)
        self.assertEqual(len({a for a, _ in pairs}), 296)
        self.assertEqual(len({b for _, b in pairs}), 296)

    def test_conversion_renames_and_is_deterministic(self):
        first = fw.convert(lite0())
        self.assertEqual(first, fw.convert(lite0()))
        size = struct.unpack("<Q", first[:8])[0]
        self.assertEqual(size % 8, 0)
        header, numbers = json.loads(first[8 : 8 + size].decode()), first[8 + size :]
        self.assertIn("blocks.6.0.conv_pwl.weight", header)
        self.assertEqual(len(header), 296)
        # lite0() puts its place among the names into each tensor.
        for n, (_, ours) in enumerate(fw.names()):
            begin, end = header[ours]["data_offsets"]
            kind = {"F32": "<f", "I64": "<q"}[header[ours]["dtype"]]
            self.assertEqual(struct.unpack(kind, numbers[begin:end]), (n,), ours)

    def test_other_models_are_refused(self):
        data = checkpoint(collections.OrderedDict(w=tensor("a", F32, (1,))), {"a": floats(1.0)})
        with self.assertRaisesRegex(fw.Refused, "not those of EfficientNet-Lite0"):
            fw.convert(data)


class Refusing(unittest.TestCase):
    def refused(self, data, why):
        with self.assertRaisesRegex(fw.Refused, why):
            fw.read_checkpoint(data)

    def test_a_pickle_that_runs_a_command(self):
        with tempfile.TemporaryDirectory() as folder:
            witness = os.path.join(folder, "witness")
            for module, name in (("os", "system"), ("posix", "system"), ("subprocess", "call"), ("builtins", "eval")):
                attack = Call(Global(module, name), "touch " + witness)
                for data in (pickled(attack), checkpoint(collections.OrderedDict(w=attack), {})):
                    self.refused(data, module + "." + name)
            self.assertFalse(os.path.exists(witness))

    def test_names_near_the_known_ones(self):
        for module, name in (
            ("collections", "namedtuple"),
            ("torch", "load"),
            ("torch._utils", "_rebuild_tensor"),
            ("torch", "FloatStorage.from_file"),
            ("collections.OrderedDict", "__class__"),
        ):
            self.refused(pickled(Global(module, name)), "no file of weights needs")

    def test_every_length_of_a_truncated_file(self):
        whole = checkpoint(collections.OrderedDict(w=tensor("a", F32, (3,))), {"a": floats(1.0, 2.0, 3.0)})
        fw.read_checkpoint(whole)
        for length in range(len(whole)):
            with self.subTest(length=length), self.assertRaises(fw.Refused):
                fw.read_checkpoint(whole[:length])

    def test_every_flipped_byte_is_read_or_refused(self):
        whole = checkpoint(collections.OrderedDict(w=tensor("a", F32, (3,))), {"a": floats(1.0, 2.0, 3.0)})
        for at in range(len(whole)):
            for flip in (0x01, 0x80, 0xFF):
                data = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
                try:
                    fw.read_checkpoint(data)
                except fw.Refused:
                    pass

    def test_bytes_after_the_end(self):
        whole = checkpoint(collections.OrderedDict(w=tensor("a", F32, (1,))), {"a": floats(1.0)})
        self.refused(whole + b"\0", "has bytes after its end")

    def test_views_beyond_their_data(self):
        for view in (
            tensor("a", F32, (4,), count=3),
            tensor("a", F32, (1,), offset=3, count=3),
            tensor("a", F32, (2, 2), strides=(2, 2), count=4),
        ):
            self.refused(checkpoint(collections.OrderedDict(w=view), {"a": floats(1.0, 2.0, 3.0)}), "beyond its data")

    def test_impossible_sizes(self):
        for view in (
            tensor("a", F32, (-1,), count=3),
            tensor("a", F32, (1,), strides=(-1,), count=3),
            tensor("a", F32, (1 << 40,), count=3),
            tensor("a", F32, (1,), count=1 << 60),
            # Strides of 0 repeat one number.
            tensor("a", F32, (1 << 26, 1 << 26), strides=(0, 0), count=3),
        ):
            self.refused(checkpoint(collections.OrderedDict(w=view), {"a": floats(1.0, 2.0, 3.0)}), "impossible|unknown")

    def test_tensors_that_are_too_large_only_together(self):
        view = tensor("a", F32, (fw.LARGEST // 2 + 1,), strides=(0,), count=1)
        data = checkpoint(collections.OrderedDict(v=view, w=view), {"a": floats(1.0)})
        self.refused(data, "impossible size together")

    def test_other_files_are_refused(self):
        self.refused(b"", "cannot be read")
        self.refused(b"PK\x03\x04" + bytes(60), "not a storage")
        self.refused(checkpoint(collections.OrderedDict(), {}, magic=1), "old format")
        self.refused(checkpoint(collections.OrderedDict(), {}, little=False), "little-endian")
        self.refused(checkpoint(collections.OrderedDict(w=1), {}), "other than named tensors")
        self.refused(checkpoint(collections.OrderedDict(w=tensor("a", F32, (1,))), {}), "does not fit")

    def test_a_storage_that_is_described_in_two_ways(self):
        for other in (tensor("a", F32, (4,)), tensor("a", I64, (1,))):
            tensors = collections.OrderedDict(large=other, small=tensor("a", F32, (1,)))
            self.refused(checkpoint(tensors, {"a": floats(1.0)}), "in two ways")

    def test_a_list_of_storages_with_other_than_names(self):
        data = checkpoint(collections.OrderedDict(w=tensor("1", F32, (1,))), {"1": floats(1.0)})
        named, numbered = pickle.dumps(["1"], 2), pickle.dumps([1], 2)
        self.assertEqual(data.count(named), 1)
        self.refused(data.replace(named, numbered), "does not fit")


class LeavingNothing(unittest.TestCase):
    def convert(self, data, folder, memory=None):
        source = os.path.join(folder, "in.pth")
        with open(source, "wb") as f:
            f.write(data)
        command = [sys.executable, os.path.join(SCRIPTS, "fetch_weights.py"), "--convert", source, os.path.join(folder, "out")]
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
            preexec_fn=memory and (lambda: resource.setrlimit(resource.RLIMIT_AS, (memory, memory))),
        )
        return done.returncode, done.stderr

    def test_a_refusal_is_one_sentence_and_no_file(self):
        attack = pickled(Call(Global("os", "system"), "exit 1"))
        for data in (attack, lite0()[:-1], b"", zlib.compress(b"x")):
            with tempfile.TemporaryDirectory() as folder:
                code, said = self.convert(data, folder)
                self.assertEqual(code, 1)
                self.assertTrue(said.startswith("error: the checkpoint"), said)
                self.assertNotIn("Traceback", said)
                self.assertEqual(os.listdir(folder), ["in.pth"])

    def test_a_file_that_is_too_large_is_not_called_damaged(self):
        with tempfile.TemporaryDirectory() as folder:
            source, goal = os.path.join(folder, "in.pth"), os.path.join(folder, "out")
            whole = lite0()
            with open(source, "wb") as f:
                f.write(whole)
            with mock.patch.object(fw, "LARGEST", len(whole) - 1), self.assertRaisesRegex(fw.Refused, "more than"):
                fw.main(["--convert", source, goal])
            self.assertFalse(os.path.exists(goal))

    def test_a_few_bytes_take_little_memory(self):
        # An empty dict, stored under a number of 31 bits.
        high = b"\x80\x02}" + pickle.LONG_BINPUT + struct.pack("<I", (1 << 31) - 1) + b"."
        long = b"\x80\x05" + pickle.BYTEARRAY8 + struct.pack("<Q", 1 << 40) + b"."
        for data in (high, long):
            with tempfile.TemporaryDirectory() as folder:
                code, said = self.convert(data, folder, memory=2 << 30)
                self.assertEqual(code, 1)
                self.assertRegex(said, "^error: (the checkpoint cannot be read|this is not a checkpoint)")
                self.assertNotIn("MemoryError", said)

    def test_a_valid_file_is_written_completely(self):
        with tempfile.TemporaryDirectory() as folder:
            code, said = self.convert(lite0(), folder)
            self.assertEqual((code, said), (0, ""))
            self.assertEqual(sorted(os.listdir(folder)), ["in.pth", "out"])
            with open(os.path.join(folder, "out"), "rb") as f:
                self.assertEqual(f.read(), fw.convert(lite0()))

    def test_a_failed_write_leaves_the_old_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "out")
            fw.write_whole(path, b"old")
            with self.assertRaises(TypeError):
                fw.write_whole(path, io.StringIO("no bytes"))
            with open(path, "rb") as f:
                self.assertEqual(f.read(), b"old")
            self.assertEqual(os.listdir(folder), ["out"])


class Kinds(unittest.TestCase):
    def test_a_refusal_is_a_failure(self):
        self.assertTrue(issubclass(fw.Refused, Failure))


if __name__ == "__main__":
    unittest.main()
