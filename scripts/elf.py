"""What packaging needs of a program's file: the libraries and versions that it asks for, and where it looks for them.

64-bit little-endian ELF, which is what x86-64 and aarch64 have. Standard library only.
"""

import re
import struct

NEEDED, STRTAB, STRSZ, RPATH, RUNPATH = 1, 5, 10, 15, 29
LOAD, DYNAMIC = 1, 2


class NotElf(Exception):
    """The file is no 64-bit little-endian ELF program, or is linked statically."""


class Elf:
    def __init__(self, data):
        self.data = bytearray(data)
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise NotElf("no 64-bit little-endian ELF file")
        offset, size, count = struct.unpack_from("<Q", data, 32)[0], *struct.unpack_from("<HH", data, 54)
        segments = [struct.unpack_from("<IIQQQQ", data, offset + number * size) for number in range(count)]
        self._loads = [segment for segment in segments if segment[0] == LOAD]
        dynamic = next((segment for segment in segments if segment[0] == DYNAMIC), None)
        if dynamic is None:
            raise NotElf("linked statically")
        entries = struct.iter_unpack("<QQ", data[dynamic[2]:dynamic[2] + dynamic[5] // 16 * 16])
        self._entries = []
        for tag, value in entries:
            if tag == 0:
                break
            self._entries.append((tag, value))
        values = dict(self._entries)
        self._strings = self._at(values[STRTAB])
        self._strings_end = self._strings + values[STRSZ]

    def _at(self, address):
        """The place in the file of an address in memory."""
        for _, _, offset, start, _, size in self._loads:
            if start <= address < start + size:
                return address - start + offset
        raise NotElf("an address outside of all segments")

    def _string(self, value):
        start = self._strings + value
        return self.data[start:self.data.index(0, start)].decode()

    def needed(self):
        """The libraries that it names."""
        return [self._string(value) for tag, value in self._entries if tag == NEEDED]

    def runpath(self):
        return next((self._string(value) for tag, value in self._entries if tag in (RPATH, RUNPATH)), None)

    def set_runpath(self, path):
        """Another search path, written over the old one: it may not be longer."""
        start = next((value for tag, value in self._entries if tag in (RPATH, RUNPATH)), None)
        room = -1 if start is None else len(self._string(start).encode())
        new = path.encode()
        if len(new) > room:
            raise NotElf(f"has no room for the search path {path}: it must have been linked with one as long")
        start += self._strings
        self.data[start:start + room] = new.ljust(room, b"\0")

    def newest(self, family):
        """The newest version of a family of symbols that it asks for, as numbers: of `GLIBC`, (2, 34)."""
        strings = bytes(self.data[self._strings:self._strings_end])
        found = re.findall(rb"\0" + family.encode() + rb"_([0-9.]+)(?=\0)", strings)
        return max((tuple(int(part) for part in version.decode().split(".")) for version in found), default=(0,))
