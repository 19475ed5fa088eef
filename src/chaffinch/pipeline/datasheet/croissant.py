"""A data sheet as Croissant 1.0 (JSON-LD) with its vocabulary for responsible AI.

Specifications: https://docs.mlcommons.org/croissant/docs/croissant-spec.html and
https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html.
"""

from pathlib import PurePosixPath
from typing import Any

from chaffinch.data.file import suffix_of
from chaffinch.pipeline.datasheet.sheet import Sheet

_PLAIN = (
    "citeAs column conformsTo:dct equivalentProperty extract field fileProperty fileObject fileSet"
    " format includes isLiveDataset jsonPath key md5 parentField path recordSet references regex"
    " repeated replace samplingRate separator source subField transform"
)
_TYPES = {
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".parquet": "application/x-parquet",
    ".jsonl": "application/jsonlines",
    ".npz": "application/zip",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


def croissant(sheet: Sheet) -> dict[str, Any]:
    """The sheet as a Croissant document; what nobody stated is left out."""
    about = sheet.about
    stated = {
        "license": about.license,
        "url": about.url,
        "datePublished": about.published,
        "version": about.version,
        "citeAs": about.citation,
        "rai:dataCollection": about.collection,
        "rai:dataAnnotationProtocol": about.labelling,
        "rai:dataPreprocessingProtocol": about.preprocessing,
        "rai:dataUseCases": about.uses,
        "rai:dataBiases": about.biases,
        "rai:dataReleaseMaintenancePlan": about.maintenance,
    }
    document: dict[str, Any] = {
        "@context": _context(),
        "@type": "sc:Dataset",
        "name": sheet.name,
        "description": about.description
        or f"{sheet.samples:,} labelled samples ({sheet.modality}) in {len(sheet.classes)} classes",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.0",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        **{name: value for name, value in stated.items() if value},
    }
    if about.creator:
        document["creator"] = {"@type": "sc:Person", "name": about.creator}
    limits = [*_limits(sheet), *([about.limitations] if about.limitations else [])]
    if limits:
        document["rai:dataLimitations"] = limits
    if sheet.review:
        document["rai:dataAnnotationAnalysis"] = [
            f"{name}: {count:,}" for name, count in sheet.review.items()
        ]
    document["distribution"] = _distribution(sheet)
    document["recordSet"] = [_classes(sheet), *_records(sheet)]
    return document


def _context() -> dict[str, Any]:
    names = (word.partition(":") for word in _PLAIN.split())
    terms = {name: f"{prefix or 'cr'}:{name}" for name, _, prefix in names}
    return {
        "@language": "en",
        "@vocab": "https://schema.org/",
        **terms,
        "cr": "http://mlcommons.org/croissant/",
        "data": {"@id": "cr:data", "@type": "@json"},
        "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
        "dct": "http://purl.org/dc/terms/",
        "examples": {"@id": "cr:examples", "@type": "@json"},
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
    }


def _limits(sheet: Sheet) -> list[str]:
    faults = sheet.faults
    if not faults:
        return ["The data were not examined for faults."]
    limits = [f"{faults['said']}; {faults['flagged']:,} samples are flagged."]
    for kind, count in faults["kinds"].items():
        looks = "sample looks" if count == 1 else "samples look"
        limits.append(f"{count:,} {looks} like this: {kind.replace('_', ' ')}.")
    return limits + (list(sheet.run.judgement.notes) if sheet.run else [])


def _distribution(sheet: Sheet) -> list[dict[str, Any]]:
    if sheet.files is None or not sheet.files.parts:
        return []
    if not sheet.files.folder:
        part = sheet.files.parts[0]
        return [
            {
                "@type": "cr:FileObject",
                "@id": part.name,
                "name": part.name,
                "contentSize": f"{part.size} B",
                "contentUrl": part.name,
                "encodingFormat": _type(part.name),
                "sha256": part.sha256,
            }
        ]
    endings = sorted({PurePosixPath(part.name).suffix for part in sheet.files.parts})
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"files{ending}",
            "name": f"files{ending}",
            "description": "Image files, one folder a class, or listed in a table beside them.",
            "encodingFormat": _type(f"x{ending}"),
            "includes": f"**/*{ending}",
        }
        for ending in endings
    ]


def _classes(sheet: Sheet) -> dict[str, Any]:
    fields = {"name": "sc:Text", "samples": "sc:Integer"}
    return {
        "@type": "cr:RecordSet",
        "@id": "classes",
        "name": "classes",
        "description": "The classes, and how many samples have each as their given label.",
        "dataType": "sc:Enumeration",
        "key": {"@id": "classes/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind}
            for name, kind in fields.items()
        ],
        "data": [
            {"classes/name": name, "classes/samples": count}
            for name, count in sheet.classes.items()
        ],
    }


def _records(sheet: Sheet) -> list[dict[str, Any]]:
    if not sheet.columns or sheet.files is None:
        return []
    file = sheet.files.parts[0].name
    return [
        {
            "@type": "cr:RecordSet",
            "@id": "samples",
            "name": "samples",
            "description": "One record a sample.",
            "field": [
                {
                    "@type": "cr:Field",
                    "@id": f"samples/{name}",
                    "name": name,
                    "dataType": kind,
                    "source": {"fileObject": {"@id": file}, "extract": {"column": name}},
                }
                for name, kind in sheet.columns.items()
            ],
        }
    ]


def _type(name: str) -> str:
    return _TYPES.get(suffix_of(name), "application/octet-stream")
