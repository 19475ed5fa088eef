"""The album: every flagged sample in small, beside the few that the gallery shows in full."""

from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from chaffinch.core.errors import RunError
from chaffinch.store.run import RunFolder, write_text

ALBUM = "album.json"


class Sprite(BaseModel):
    """Thumbnails in one picture, row by row.

    Attributes:
        side: Width and height of each, in pixels.
        across: How many stand in a row.
        ids: Whose they are, in the order in which they stand.
        image: The picture as a ``data:`` URL.
    """

    side: int
    across: int
    ids: list[str]
    image: str = Field(pattern=r"^data:image/webp;base64,[A-Za-z0-9+/]+=*$")


class Album(BaseModel):
    """``album.json``.

    Attributes:
        texts: One line of what a person sees of each flagged sample that is no picture, by id.
        sprite: The pictures; None where there are none.
    """

    texts: dict[str, str] = Field(default_factory=dict)
    sprite: Sprite | None = None


def read_album(run: RunFolder) -> Album:
    """The album of a run; empty in runs of older versions.

    Raises:
        RunError: The file is damaged.
    """
    file = run.path / ALBUM
    if not file.is_file():
        return Album()
    try:
        return Album.model_validate_json(file.read_bytes())
    except ValidationError as error:
        remedy = "Delete the file; the report then shows fewer samples"
        raise RunError(f"an album in {file}", str(error.errors()[0]["msg"]), remedy) from error


def write_album(folder: Path, album: Album) -> None:
    """Write ``album.json`` into the folder of a run."""
    write_text(folder / ALBUM, album.model_dump_json() + "\n")
