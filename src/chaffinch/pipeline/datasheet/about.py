"""What only people know of their data, from a TOML file."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from chaffinch.core.errors import InputError
from chaffinch.core.parsing import parse_toml


class About(BaseModel):
    """What people state; what they leave out appears in the sheet as not stated.

    Attributes:
        name: Of the data.
        description: What they are.
        license: Name or URL.
        url: Where they are published.
        creator: Who made them.
        published: Date, ISO 8601.
        version: As people call it.
        citation: How to cite them.
        collection: How the samples were collected.
        labelling: The labelling standard: who labelled, by which rules, how often each sample.
        preprocessing: What was done to them since.
        uses: What they are for, and what not.
        biases: Known biases.
        limitations: Further known limits.
        maintenance: Who answers for them, and how faults are reported.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    description: str = ""
    license: str = ""
    url: str = ""
    creator: str = ""
    published: str = ""
    version: str = ""
    citation: str = ""
    collection: str = ""
    labelling: str = ""
    preprocessing: str = ""
    uses: str = ""
    biases: str = ""
    limitations: str = ""
    maintenance: str = ""


def read_about(file: str | Path | None) -> About:
    """Read such a file; None states nothing.

    Raises:
        InputError: A file that is missing or not TOML, or an unknown key.
    """
    if file is None:
        return About()
    try:
        stated = parse_toml(Path(file).expanduser().read_text("utf-8"))
        # Dates may be written without quotes.
        if "published" in stated:
            stated["published"] = str(stated["published"])
        return About(**stated)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"texts under the keys {', '.join(About.model_fields)} in {file}",
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}",
            "Correct the key",
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"a TOML file at {file}", str(error), "Check it") from error
