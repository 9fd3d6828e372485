#!/usr/bin/env python3
"""Small files that Pillow writes, and the pixels that it reads from them: rotated, on white, 8×8. Writes formats.json.

pip install pillow numpy        python formats.py
"""
import io, json, os
import numpy as np
from PIL import Image, ImageOps

SIDE = 8
rgb = np.random.RandomState(7).randint(0, 256, (SIDE, SIDE, 3)).astype("uint8")
picture = Image.fromarray(rgb)
alpha = np.random.RandomState(8).randint(0, 2, (SIDE, SIDE, 1)).astype("uint8") * 255
clear = Image.fromarray(np.concatenate([rgb, alpha], 2), "RGBA")


def expected(data):
    image = Image.open(io.BytesIO(data))
    image.seek(0)
    image = ImageOps.exif_transpose(image)
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image).convert("RGB")).reshape(-1).tolist()


def case(name, image, **how):
    out = io.BytesIO()
    image.save(out, **how)
    data = out.getvalue()
    return {"name": name, "file": data.hex(), "pixels": expected(data)}


palette = picture.quantize(16)
cases = [
    case("24.bmp", picture, format="BMP"),
    case("palette.bmp", palette, format="BMP"),
    case("grey.bmp", picture.convert("L"), format="BMP"),
    case("raw.tif", picture, format="TIFF"),
    case("lzw.tiff", picture, format="TIFF", compression="tiff_lzw"),
    case("deflate.tif", picture, format="TIFF", compression="tiff_adobe_deflate"),
    case("grey.tif", picture.convert("L"), format="TIFF"),
    case("alpha.tif", clear, format="TIFF"),
    case("two.tif", picture, format="TIFF", save_all=True, append_images=[Image.new("RGB", (SIDE, SIDE))]),
    case("turned.tif", picture, format="TIFF", tiffinfo={274: 6}),
    case("still.gif", palette, format="GIF"),
    case("moving.gif", palette, format="GIF", save_all=True, append_images=[Image.new("P", (SIDE, SIDE))], duration=10),
    case("clear.gif", clear, format="GIF"),
    case("binary.ppm", picture, format="PPM"),
    case("grey.pgm", picture.convert("L"), format="PPM"),
    case("photo.jfif", Image.new("RGB", (SIDE, SIDE), (200, 60, 90)), format="JPEG", quality=95),
]
with open(os.path.join(os.path.dirname(__file__), "formats.json"), "w") as file:
    json.dump({"side": SIDE, "cases": cases}, file, separators=(",", ":"))
    file.write("\n")
