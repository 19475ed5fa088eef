"""Pictures with a likeness to photographs, and faults to plant in them."""

import numpy as np
from PIL import Image, ImageFilter

FAULTS = {
    "dark": lambda image, _: scaled(image, 0.06),
    "light": lambda image, _: Image.fromarray(
        (255 - (255 - np.asarray(image, float)) * 0.04).astype(np.uint8)
    ),
    "blurry": lambda image, _: image.filter(ImageFilter.GaussianBlur(4)),
    "odd_size": lambda image, _: image.resize((160, 160)),
    "odd_aspect_ratio": lambda image, _: image.resize((100, 36)),
    "low_information": lambda image, _: Image.new("RGB", image.size, image.getpixel((0, 0))),
    "grayscale": lambda image, _: image.convert("L").convert("RGB"),
}


def scaled(image, factor):
    return Image.fromarray((np.asarray(image, float) * factor).astype(np.uint8))


def picture(random, side=48):
    """A few coloured shapes on a coloured slope, with fine noise; all differ."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    base = random.uniform(40, 200, 3)
    slope = random.normal(0, 40, (2, 3))
    pixels = base + rows[..., None] * slope[0] + columns[..., None] * slope[1]
    for _ in range(8):
        y, x, radius = [*random.uniform(0, 1, 2), random.uniform(0.08, 0.3)]
        inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        pixels[inside] = random.uniform(0, 255, 3)
    pixels += random.normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def write_folder(root, images, classes=("cat", "dog")):
    """One PNG an image, in the folders of the classes in turn; their paths."""
    paths = []
    for number, image in enumerate(images):
        path = root / classes[number % len(classes)] / f"{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        paths.append(path)
    return paths
