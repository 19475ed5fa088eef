"""Named things: registered by a decorator, looked up by name, listed for errors and help."""

import difflib
from collections.abc import Iterator
from typing import Generic, TypeVar

from chaffinch.core.errors import InputError

Item = TypeVar("Item")


class Registry(Generic[Item]):
    """A mapping from names to items whose error message lists what there is.

    Args:
        noun: What an item is called in an error ("scorer").
    """

    def __init__(self, noun: str) -> None:
        self.noun = noun
        self._items: dict[str, Item] = {}

    def add(self, name: str, item: Item) -> Item:
        """Register ``item``; a name is taken only once."""
        if name in self._items:
            raise InputError(f"a new {self.noun} name", f"{name!r} again", "Choose another name")
        self._items[name] = item
        return item

    def __getitem__(self, name: str) -> Item:
        """Look an item up.

        Raises:
            InputError: The name is unknown; the message names the likeliest and all others.
        """
        if not isinstance(name, str) or name not in self._items:
            close = difflib.get_close_matches(str(name), self._items, n=1)
            hint = f"Did you mean {close[0]!r}? " if close else ""
            raise InputError(
                f"the name of a {self.noun}",
                repr(name),
                f"{hint}Known: {', '.join(sorted(self._items)) or 'none'}",
            )
        return self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def items(self) -> list[tuple[str, Item]]:
        """All (name, item) pairs, sorted by name."""
        return sorted(self._items.items())
