"""Which entries of a folder are samples, and which are tools' own or of no known format."""

import os
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, features

from chaffinch.data.sound_file import is_sound, readable_sounds

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


def deeper_file(root: Path, medium: "Medium") -> Path | None:
    """The first sample in a folder below those of the classes; no links are followed."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not is_hidden(Path(name)))
        if len(Path(folder).relative_to(root).parts) < 2:
            continue
        found = [file for file in map(Path, sorted(files)) if medium.holds(file)]
        if found:
            return Path(folder) / found[0]
    return None


def is_image(path: Path) -> bool:
    """Whether a file is an image by its name, readable here or not."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(path)


@dataclass(frozen=True)
class Medium:
    """A kind of sample that comes as one file each.

    Attributes:
        name: The modality.
        noun: What to call one.
        holds: Whether a file is one by its name, readable here or not.
        readable: Endings of those that can be read here.
    """

    name: str
    noun: str
    holds: Callable[[Path], bool]
    readable: Callable[[], frozenset[str]]


IMAGE = Medium("image", "image", is_image, readable_suffixes)
SOUND = Medium(
    "audio", "sound", lambda file: is_sound(file) and not is_hidden(file), readable_sounds
)


def medium_of(files: Iterable[Path]) -> Medium:
    """The medium of most of the files; images where there are as many, or none of either."""
    kinds = Counter("sound" if SOUND.holds(file) else "image" for file in files if is_medium(file))
    return SOUND if kinds["sound"] > kinds["image"] else IMAGE


def is_medium(file: Path) -> bool:
    """Whether a file is an image or a sound by its name."""
    return IMAGE.holds(file) or SOUND.holds(file)


def left_out_note(files: Iterable[Path], medium: Medium = IMAGE) -> tuple[str, ...]:
    """One sentence that counts files by ending; none where there are none."""
    counts = Counter(file.suffix.lower() or "no ending" for file in files)
    if not counts:
        return ()
    listed = ", ".join(f"{count:,} {suffix}" for suffix, count in sorted(counts.items()))
    total = sum(counts.values())
    beside = "file was" if total == 1 else "files were"
    hint = ""
    if medium is IMAGE and {".heic", ".heif"} & counts.keys():
        hint = " Install pillow-heif and register its opener to read .heic."
    elif medium is SOUND and {".flac", ".mp3", ".ogg"} & counts.keys():
        hint = " Install chaffinch[audio] to read FLAC, Ogg and MP3."
    told = f"left out as no {medium.noun} that can be read here"
    return (f"{total:,} {beside} {told} ({listed}).{hint}",)
