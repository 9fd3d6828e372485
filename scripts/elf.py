"""Facts about a program's file that packaging needs: the libraries and versions that it uses, and where it searches for them.

Reads 64-bit little-endian ELF, the format on x86-64 and aarch64. Standard library only.
"""

import re
import struct

NEEDED, STRTAB, STRSZ, RPATH, RUNPATH = 1, 5, 10, 15, 29
LOAD, DYNAMIC = 1, 2


class NotElf(Exception):
    """The file is no whole 64-bit little-endian ELF program, is linked statically, or has no room for a search path."""


class Elf:
    def __init__(self, data):
        self.data = bytearray(data)
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise NotElf("no 64-bit little-endian ELF file")
        try:
            self._read(data)
        except (struct.error, KeyError):
            raise NotElf("an ELF file that was cut short") from None

    def _read(self, data):
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
        """The file offset of a memory address."""
        for _, _, offset, start, _, size in self._loads:
            if start <= address < start + size:
                return address - start + offset
        raise NotElf("an address outside of all segments")

    def _string(self, value):
        start = self._strings + value
        return self.data[start:self.data.index(0, start)].decode()

    def needed(self):
        """The names of the needed libraries."""
        return [self._string(value) for tag, value in self._entries if tag == NEEDED]

    def runpath(self):
        return next((self._string(value) for tag, value in self._entries if tag in (RPATH, RUNPATH)), None)

    def set_runpath(self, path):
        """Overwrites the search path; the new path may not be longer than the old one."""
        start = next((value for tag, value in self._entries if tag in (RPATH, RUNPATH)), None)
        room = -1 if start is None else len(self._string(start).encode())
        new = path.encode()
        if len(new) > room:
            raise NotElf(f"has no room for the search path {path}: it must have been linked with one as long")
        start += self._strings
        self.data[start:start + room] = new.ljust(room, b"\0")

    def newest(self, family):
        """The newest version that the program needs from a family of symbols, as numbers: (2, 34) for `GLIBC`."""
        strings = bytes(self.data[self._strings:self._strings_end])
        found = re.findall(rb"\0" + family.encode() + rb"_([0-9.]+)(?=\0)", strings)
        return max((tuple(int(part) for part in version.decode().split(".")) for version in found), default=(0,))
