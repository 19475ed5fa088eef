"""Which entries of a folder are samples, and which are tools' own or of no known format."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from PIL import Image, features

IMAGE_SUFFIXES = frozenset(
    (
        *(".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif", ".heic", ".heif", ".j2k", ".jfif"),
        *(".jp2", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx", ".jxl", ".pbm", ".pgm", ".png", ".pnm"),
        *(".ppm", ".tga", ".tif", ".tiff", ".webp"),
    )
)
"""Endings of image files, whether or not they can be read here."""

_NEEDS = {"AVIF": "avif", "JPEG2000": "jpg_2000", "WEBP": "webp"}
_OF_TOOLS = frozenset(
    (
        *("@eadir", "@recycle", "@tmp", "#recycle", "#snapshot", "$recycle.bin", "__macosx"),
        *("__pycache__", "lost+found", "system volume information"),
    )
)
_OF_SYSTEMS = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"))


def is_hidden(path: Path) -> bool:
    """Whether a file or folder belongs to a tool or the operating system, by its name."""
    name = path.name.lower()
    return name.startswith(".") or name in _OF_TOOLS or name in _OF_SYSTEMS


def readable_suffixes() -> frozenset[str]:
    """Endings of images that Pillow reads here, those of its registered plugins included."""
    formats = Image.registered_extensions()
    return frozenset(suffix for suffix in IMAGE_SUFFIXES if _is_read(formats.get(suffix)))


def _is_read(kind: str | None) -> bool:
    if kind is None or kind not in Image.OPEN:
        return False
    return kind not in _NEEDS or bool(features.check(_NEEDS[kind]))


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without what is hidden."""
    return sorted(path for path in folder.iterdir() if not is_hidden(path))


def deeper_image(root: Path) -> Path | None:
    """The first image in a folder below those of the classes; links to folders are not followed."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not is_hidden(Path(name)))
        if len(Path(folder).relative_to(root).parts) < 2:
            continue
        found = [file for file in map(Path, sorted(files)) if is_image(file)]
        if found:
            return Path(folder) / found[0]
    return None


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name, readable here or not."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path)


def left_out_note(files: Iterable[Path]) -> tuple[str, ...]:
    """One sentence that counts files by ending; none where there are none."""
    counts = Counter(file.suffix.lower() or "no ending" for file in files)
    if not counts:
        return ()
    listed = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(counts.items()))
    total = sum(counts.values())
    beside = "file was" if total == 1 else "files were"
    heic = {".heic", ".heif"} & counts.keys()
    hint = " Install pillow-heif and register its opener to read .heic." if heic else ""
    return (f"{total:,} {beside} left out as no image that can be read here ({listed}).{hint}",)
