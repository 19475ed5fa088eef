"""Hostile files and folders."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

ROWS = "a,b,label\n" + "".join(f"{i},{i % 5},{'xyz'[i % 3]}\n" for i in range(24))


def file_makers(folder: Path) -> dict[str, Callable[[], Any]]:
    """Paths of hostile files, made in ``folder`` when they are asked for."""
    folder.mkdir(parents=True, exist_ok=True)

    def file(name: str, content: bytes | str) -> str:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    frame = pd.DataFrame(
        {"a": range(24), "b": [i % 5 for i in range(24)], "label": list("xyz") * 8}
    )

    def parquet(cut: int | None = None, name: str = "t.parquet") -> str:
        path = folder / name
        frame.to_parquet(folder / "whole.parquet")
        path.write_bytes((folder / "whole.parquet").read_bytes()[:cut])
        return str(path)

    def images(*names: str, content: bytes | None = None) -> str:
        for name in names:
            place = folder / "images" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                Image.new("RGB", (8, 8), len(name) * 20).save(place)
            else:
                place.write_bytes(content)
        return str(folder / "images")

    def loop() -> str:
        images("a/1.png", "a/2.png", "b/1.png", "b/2.png")
        os.symlink(folder / "images", folder / "images" / "a" / "loop")
        os.symlink("self", folder / "images" / "self")
        return str(folder / "images")

    def link(to: str) -> str:
        os.symlink(to, folder / "link.csv")
        return str(folder / "link.csv")

    def npz(**arrays: Any) -> str:
        np.savez(folder / "t.npz", **arrays)
        return str(folder / "t.npz")

    def directory(name: str) -> str:
        (folder / name).mkdir()
        return str(folder / name)

    def closed() -> str:
        path = file("closed.csv", ROWS)
        os.chmod(path, 0)
        return path

    lines = "".join(json.dumps({"a": i, "label": "xy"[i % 2]}) + "\n" for i in range(24))
    binary = bytes(range(256)) * 20
    contents: dict[str, bytes | str] = {
        "good": ROWS, "empty": "", "BOM only": b"\xef\xbb\xbf", "UTF-16 BOM only": b"\xff\xfe",
        "newline": "\n", "many newlines": "\n" * 50, "header only": "a,b,label\n", "spaces": "   ",
        "commas": ",,,\n" * 20, "zero bytes": b"\x00" * 100, "binary": binary, "one cell": "a",
        "ragged": ROWS + "1,2,3,4,5\n", "short rows": ROWS + "1\n", "quote": ROWS + '"open,1,x\n',
        "quoted newline": ROWS + '"a\nb",1,x\n', "latin": ROWS.replace("x", "\xe9").encode("latin-1"),
        "UTF-16": ROWS.encode("utf-16"), "UTF-32": ROWS.encode("utf-32"), "null in cell": ROWS + "1,\x00,x\n",
        "carriage returns": ROWS.replace("\n", "\r"), "mixed ends": ROWS.replace("\n", "\r\n", 9),
        "repeated header": ROWS.replace("a,b", "b,b", 1), "no header names": ROWS.replace("a,b,label", ",,", 1),
        "long line": "a," * 50_000 + "label\n", "long cell": ROWS + "x" * 200_000 + ",1,x\n",
        "parquet inside": b"PAR1" + binary, "zip inside": b"PK\x03\x04" + binary, "gzip inside": b"\x1f\x8b" + binary,
        "html": "<html><body>404</body></html>", "huge numbers": ROWS + f"{10**400},1,x\n1e999,1,x\n",
        "one label": ROWS.replace("y", "x").replace("z", "x"), "no labels": ROWS.replace("label", "c"),
        "surrogate": ROWS.encode() + b"\xed\xa0\x80,1,x\n", "formula": ROWS + "=cmd|' /C calc'!A0,1,x\n",
        "semicolons": ROWS.replace(",", ";"), "tabs": ROWS.replace(",", "\t"), "number": "1", "null": "null",
        "list": "[]", "object": "{}", "deep": "[" * 5000, "lines": lines, "cut lines": lines[:-9],
        "text": '"x"', "list of numbers": "[1, 2]", "list of lists": "[[1, 2], [3, 4]]", "NaN": "NaN",
        "mixed lines": '{"a": 1, "label": 0}\n[1]\n3\n', "nested": '[{"a": {"b": [1]}, "label": {"c": 1}}]',
        "repeated keys": '[{"a": 1, "a": 2, "label": 1}]', "lone surrogate": '{"a": "\\ud83d", "label": 1}\n' * 6,
        "toml": "[a]\nb = 1\n", "bad toml": "a = = 1",
    }  # fmt: skip
    suffixes = (".csv", ".tsv", ".txt", ".parquet", ".arrow", ".feather", ".json", ".jsonl", ".npz")
    made: dict[str, Callable[[], Any]] = {
        f"{name}{suffix}": lambda s=suffix, c=content: file("t" + s, c)
        for name, content in contents.items()
        for suffix in (suffixes if name in ("empty", "binary", "BOM only") else suffixes[:1])
    }
    for name in ("number", "null", "list", "object", "deep", "lines", "cut lines", "text", "NaN",
                 "list of numbers", "list of lists", "mixed lines", "nested", "repeated keys",
                 "lone surrogate"):  # fmt: skip
        for suffix in (".json", ".jsonl"):
            made[name + suffix] = lambda s=suffix, c=contents[name]: file("t" + s, c)
    made |= {
        "parquet": parquet,
        "parquet cut": lambda: parquet(200),
        "parquet cut at the end": lambda: parquet(-1),
        "parquet as csv": lambda: parquet(None, "t.csv"),
        "parquet as arrow": lambda: parquet(None, "t.arrow"),
        "csv as parquet": lambda: file("t.parquet", ROWS),
        "csv as json": lambda: file("t.json", ROWS),
        "upper suffix": lambda: file("T.CSV", ROWS),
        "two suffixes": lambda: file("t.csv.gz", ROWS),
        "unknown suffix": lambda: file("t.xlsx", binary),
        "no suffix": lambda: file("t", ROWS),
        "odd name": lambda: file("caf\xe9 \u2603 [1] *.csv", ROWS),
        "newline in name": lambda: file("a\nb.csv", ROWS),
        "npz": lambda: npz(X=np.zeros((24, 2)), y=np.arange(24) % 2),
        "npz of objects": lambda: npz(X=np.array([{}] * 24), y=np.arange(24) % 2),
        "npz without labels": lambda: npz(X=np.zeros((24, 2))),
        "npz of nothing": lambda: npz(),
        "npz of scalars": lambda: npz(X=1, y=2),
        "directory": lambda: directory("folder"),
        "directory as csv": lambda: directory("folder.csv"),
        "directory as parquet": lambda: directory("folder.parquet"),
        "images": lambda: images("a/1.png", "a/2.png", "b/1.png", "b/2.png"),
        "one class of images": lambda: images("a/1.png", "a/2.png"),
        "one image a class": lambda: images("a/1.png", "b/1.png"),
        "broken images": lambda: images("a/1.png", "b/2.png", content=b"\x89PNG broken"),
        "empty images": lambda: images("a/1.png", "b/2.png", content=b""),
        "images without classes": lambda: images("1.png", "2.png"),
        "image": lambda: images("a/1.png") + "/a/1.png",
        "symlink loop": loop,
        "link to itself": lambda: link("link.csv"),
        "link to nothing": lambda: link("nothing.csv"),
        "link to a directory": lambda: link("."),
        "no permission": closed,
        "nothing": lambda: str(folder / "nothing.csv"),
        "nothing in nothing": lambda: str(folder / "no" / "thing" / "at" / "all.csv"),
        "below a file": lambda: file("t.csv", ROWS) + "/x.csv",
        "dev null": lambda: "/dev/null",
        "null byte": lambda: str(folder / "a\x00b.csv"),
        "surrogate name": lambda: str(folder / "\udcff.csv"),
        "long name": lambda: str(folder / ("x" * 300 + ".csv")),
        "long path": lambda: "x/" * 3000 + "t.csv",
        "dot": lambda: ".",
        "home of nobody": lambda: "~nobody_here/t.csv",
        "blank": lambda: " ",
        "empty path": lambda: "",
        "pattern": lambda: str(folder / "*.csv"),
        "url without scheme": lambda: "://x.csv",
        "unknown scheme": lambda: "nonsense://x/t.csv",
        "dead url": lambda: "http://127.0.0.1:9/t.csv",
        "file url": lambda: "file://" + file("t.csv", ROWS),
    }
    return made
