#!/usr/bin/env python3
"""Makes the embedded dataset: assets/emoji98.bin.gz and assets/emoji98.json. A script for maintainers; users never run it.

    python3 -m venv /tmp/emoji && /tmp/emoji/bin/pip install pillow==11.3.0
    /tmp/emoji/bin/python scripts/make_emoji98.py [FOLDER WITH THE TWO NPM TARBALLS] [--check] [--sheet PICTURE.png]

3,812 pictures of emoji, 32x32, in CIFAR-100's layout: one byte of coarse label, one of fine label, 3,072 of pixels (all red,
all green, all blue; rows from the top). 3,038 training records, then 774 test records.

- Source: the npm packages emoji-datasource-twitter and emoji-datasource-google 16.0.0, pinned by SHA-256. `npm pack`
  fetches those that the folder lacks. Used are the cells of img/*/sheets/32.png, on a 34-pixel pitch with a border of 1.
- Coarse class: the emoji's category; fine class: its subcategory; both numbered in the byte order of their names. The
  category `Component` (skin tones alone) is left out, and so is every emoji that a vendor has not drawn.
- Transparent parts become white.
- Split by emoji, so that both drawings of one emoji are on the same side: test when SHA-1 of `unified`, as an integer, is
  divisible by 5. Order: by SHA-1 of `unified` + vendor.

`--check` writes nothing, and compares the result with the files in the tree. Licences of the pictures: assets/LICENSES.md.
"""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile

from PIL import Image

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VERSION = "16.0.0"
VENDORS = {
    "twitter": "f64a530c63bca463bd8317fdc4615ce63a53a0c65018e4ce2d848aaba7a28877",
    "google": "fb5fd131b362aab7a55542d2a147a79708cce0a8b1c1bbacd470172708b5c438",
}
SIDE, PITCH, BORDER = 32, 34, 1
RECORD = 2 + 3 * SIDE * SIDE


def members(folder, vendor, *names):
    path = os.path.join(folder, "emoji-datasource-%s-%s.tgz" % (vendor, VERSION))
    if not os.path.exists(path):
        subprocess.run(["npm", "pack", "--silent", "emoji-datasource-%s@%s" % (vendor, VERSION)], cwd=folder, check=True)
    with open(path, "rb") as f:
        data = f.read()
    if hashlib.sha256(data).hexdigest() != VENDORS[vendor]:
        raise SystemExit("%s is not the pinned file" % path)
    with tarfile.open(fileobj=io.BytesIO(data)) as t:
        return [t.extractfile("package/" + name).read() for name in names]


def on_white(cell):
    """The three colour planes of an RGBA picture on white, in integers: the same on every machine."""
    pixels = cell.tobytes()
    alpha = pixels[3::4]
    return b"".join(
        bytes((c * a + 255 * (255 - a) + 127) // 255 for c, a in zip(pixels[channel::4], alpha)) for channel in range(3)
    )


def build(folder):
    sheets, data = {}, None
    for vendor in VENDORS:
        described, sheet = members(folder, vendor, "emoji.json", "img/%s/sheets/32.png" % vendor)
        assert data in (None, described), "the two packages describe different emoji"
        data = described
        sheets[vendor] = Image.open(io.BytesIO(sheet))
        assert sheets[vendor].mode == "RGBA"
    emoji = [e for e in json.loads(data) if e["category"] != "Component"]
    coarse = sorted({e["category"] for e in emoji}, key=str.encode)
    fine = sorted({e["subcategory"] for e in emoji}, key=str.encode)
    parent = {e["subcategory"]: e["category"] for e in emoji}
    assert all(parent[e["subcategory"]] == e["category"] for e in emoji), "a subcategory lies in two categories"

    train, test = [], []
    for e in emoji:
        side = test if int(hashlib.sha1(e["unified"].encode()).hexdigest(), 16) % 5 == 0 else train
        for vendor, sheet in sheets.items():
            if not e["has_img_" + vendor]:
                continue
            left, top = e["sheet_x"] * PITCH + BORDER, e["sheet_y"] * PITCH + BORDER
            cell = sheet.crop((left, top, left + SIDE, top + SIDE))
            labels = bytes([coarse.index(e["category"]), fine.index(e["subcategory"])])
            key = hashlib.sha1((e["unified"] + vendor).encode()).hexdigest()
            side.append((key, labels + on_white(cell)))
    train, test = (b"".join(record for _, record in sorted(part)) for part in (train, test))
    counts = (len(train + test) // RECORD, len(coarse), len(fine), len(train) // RECORD, len(test) // RECORD)
    assert counts == (3812, 9, 98, 3038, 774), counts
    about = {
        "coarse": coarse,
        "fine": fine,
        "fine_to_coarse": [coarse.index(parent[f]) for f in fine],
        "train": len(train) // RECORD,
        "test": len(test) // RECORD,
        "sha256": hashlib.sha256(train + test).hexdigest(),
        "sha256_train": hashlib.sha256(train).hexdigest(),
        "sha256_test": hashlib.sha256(test).hexdigest(),
    }
    return train + test, about


def contact_sheet(records, path, columns=32, rows=16, scale=2):
    sheet = Image.new("RGB", (columns * SIDE, rows * SIDE))
    for n in range(columns * rows):
        at = n * RECORD + 2
        planes = [Image.frombytes("L", (SIDE, SIDE), records[at + c * 1024 : at + (c + 1) * 1024]) for c in range(3)]
        sheet.paste(Image.merge("RGB", planes), (n % columns * SIDE, n // columns * SIDE))
    sheet.resize((sheet.width * scale, sheet.height * scale), Image.NEAREST).save(path)


def main(arguments):
    check = "--check" in arguments
    picture = arguments[arguments.index("--sheet") + 1] if "--sheet" in arguments else None
    folders = [a for a in arguments if not a.startswith("--") and a != picture]
    with tempfile.TemporaryDirectory() as temporary:
        records, about = build(os.path.abspath(folders[0]) if folders else temporary)
    binary, names = (os.path.join(ROOT, "assets", n) for n in ("emoji98.bin.gz", "emoji98.json"))
    if picture:
        contact_sheet(records, picture)
    if check:
        with gzip.open(binary) as f, open(names, encoding="utf-8") as g:
            if f.read() != records or json.load(g) != about:
                raise SystemExit("assets/emoji98.* are not what this script makes")
        print("assets/emoji98.* are what this script makes")
        return
    with open(binary, "wb") as f:
        f.write(gzip.compress(records, 9, mtime=0))
    with open(names, "w", encoding="utf-8") as f:
        json.dump(about, f, indent=1, ensure_ascii=False)
        f.write("\n")
    print("%d records, %d bytes, %d compressed" % (len(records) // RECORD, len(records), os.path.getsize(binary)))
    print(about["sha256"])


if __name__ == "__main__":
    main(sys.argv[1:])
