"""Speed of reading pictures on one core with Pillow, whose JPEG decoder is libjpeg-turbo: decode, cut the centred square, resize, as a
data loader in Python does it.

python3 pillow.py make FOLDER COUNT     writes COUNT JPEGs of 500 x 400 pixels
python3 pillow.py FOLDER SIDE           prints images a second, the best of three passes
"""
import pathlib
import random
import sys
import time

from PIL import Image


def make(folder, count):
    random.seed(1)
    folder.mkdir(parents=True)
    for number in range(count):
        # Coarse noise compresses about as well as photographs.
        noise = Image.frombytes("RGB", (100, 80), random.randbytes(100 * 80 * 3))
        noise.resize((500, 400), Image.BICUBIC).save(folder / f"{number}.jpg", quality=90)


def read(file, side):
    picture = Image.open(file).convert("RGB")
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    return picture.resize((side, side), Image.BILINEAR, box=(left, top, left + short, top + short)).tobytes()


def rate(folder, side):
    files, best = sorted(folder.iterdir()), 0.0
    for _ in range(3):
        began = time.perf_counter()
        for file in files:
            read(file, side)
        best = max(best, len(files) / (time.perf_counter() - began))
    return best


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(pathlib.Path(sys.argv[2]), int(sys.argv[3]))
    else:
        print(f"{rate(pathlib.Path(sys.argv[1]), int(sys.argv[2])):.1f}")
