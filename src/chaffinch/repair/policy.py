"""Policies: what is done about which kind of sample, and how sure one must be."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from chaffinch.core.errors import InputError
from chaffinch.core.parsing import parse_toml

Step = Literal[
    "keep",
    "trim",
    "quarantine",
    "relabel",
    "reweight",
    "soften",
    "deduplicate",
    "augment",
    "review",
]

PROTECTED = ("hard", "near_cluster")
"""Kinds that look odd but are right: never left out, relabelled or weighed down."""

_ALLOWED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(PROTECTED, ("keep", "augment", "review")),
    "near_duplicate": ("keep", "deduplicate", "review"),
}
KINDS = (
    "mislabelled",
    "conflicting_duplicate",
    "ambiguous",
    "far_cluster",
    "outlier",
    "near_duplicate",
    "near_cluster",
    "hard",
)
"""Kinds that a policy has a step for; nothing is done about ``clean`` samples."""

_NO_COPIES = ("deduplicate", "augment")
_WITHOUT_NEW_LABEL = ("keep", "trim", "quarantine", "reweight", "soften", "review")

Share = Annotated[float, Field(ge=0, le=1)]


class Policy(BaseModel):
    """Rules by which edits are proposed.

    A sample comes into question for leaving out, relabelling, softening or review if it is flagged,
    its suspicion (after the second look) is at least `least_suspicion` and its q-value at most
    `fdr`.

    Attributes:
        name: For people.
        mislabelled: Step for this kind. ``relabel`` abstains: below `relabel_confidence`,
            `unsure` is done instead.
        conflicting_duplicate: The same, for the likely wrong half of two like samples.
        ambiguous: Step for this kind.
        far_cluster: Step for this kind.
        outlier: Step for this kind.
        near_duplicate: ``deduplicate`` keeps one of each group of the same label.
        near_cluster: Protected: ``keep``, ``augment`` or ``review``.
        hard: Protected: ``keep``, ``augment`` or ``review``.
        unsure: Step where a new label would be needed and is not sure enough. ``soften`` needs a
            second look, which says how likely every class is; without one the sample is left out.
        relabel_confidence: Least probability of the suggested label.
        least_suspicion: Least suspicion for any step but those of `soften_from` and
            `reweight_from`.
        fdr: Largest q-value, the false-discovery rate up to the sample; 1 for no limit.
        budget: Largest share of the samples that are left out; the less suspicious of those beyond
            it are weighed down instead.
        class_share: Largest share of a class that is left out, for the same.
        least_share: Least share of the samples that must get an edit for what is wrong with them
            before anything is done about mere doubts (``ambiguous`` ones, `soften_from` and
            `reweight_from`).
        soften_from: Samples of at least this suspicion whose label is in doubt, without another
            edit, get a label spread over the classes as the second look says; 1 for none.
        reweight_from: Samples of at least this suspicion without another edit get the weight
            1 - suspicion; 1 for none.
        least_weight: No weight is below this.
        copies: Of ``augment``: changed copies of each sample.
        thin_classes: Classes with less than this share of the median class's samples are brought
            up to it by changed copies of their unsuspicious samples; 0 for none.
        review: How many samples without an edit, the most doubtful first, are sent to review.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "custom"
    mislabelled: Step = "relabel"
    conflicting_duplicate: Step = "relabel"
    ambiguous: Step = "soften"
    far_cluster: Step = "trim"
    outlier: Step = "trim"
    near_duplicate: Step = "keep"
    near_cluster: Step = "keep"
    hard: Step = "keep"
    unsure: Step = "soften"
    relabel_confidence: Share = 0.9
    least_suspicion: Share = 0.5
    fdr: Share = 1.0
    budget: Share = 0.5
    class_share: Share = 0.8
    least_share: Share = 0.01
    soften_from: Share = 0.1
    reweight_from: Share = 0.2
    least_weight: float = Field(default=0.01, gt=0, le=1)
    copies: int = Field(default=1, ge=1)
    thin_classes: Share = 0.0
    review: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for kind in KINDS:
            step = getattr(self, kind)
            allowed = _ALLOWED.get(kind)
            if allowed is not None and step not in allowed:
                raise ValueError(f"{kind} allows {', '.join(allowed)}, not {step}")
            if allowed is None and step in _NO_COPIES:
                raise ValueError(f"{kind} does not allow {step}")
        if self.unsure not in _WITHOUT_NEW_LABEL:
            raise ValueError(f"unsure allows {', '.join(_WITHOUT_NEW_LABEL)}, not {self.unsure}")
        return self

    def step(self, kind: str) -> str:
        """What is done about a kind; unknown kinds are sent to review."""
        if kind == "clean":
            return "keep"
        return str(getattr(self, kind)) if kind in KINDS else "review"


POLICIES = {
    "gentle": Policy(
        name="gentle",
        ambiguous="keep",
        far_cluster="quarantine",
        outlier="quarantine",
        unsure="reweight",
        relabel_confidence=0.97,
        budget=0.1,
        class_share=0.3,
        soften_from=1.0,
        reweight_from=0.5,
        least_weight=0.1,
    ),
    "balanced": Policy(name="balanced", least_suspicion=0.2),
    "strict": Policy(
        name="strict",
        mislabelled="trim",
        conflicting_duplicate="trim",
        ambiguous="trim",
        near_duplicate="deduplicate",
        least_suspicion=0.2,
        class_share=0.9,
        soften_from=1.0,
        reweight_from=0.1,
    ),
}
"""The policies that have a name.

``gentle`` relabels what is all but certain, weighs the rest down and loses hardly a sample;
``balanced`` relabels what is certain and spreads every other label that is in doubt over the
classes, as likely as a second look finds them: nothing that the sample can still teach is lost, and
a wrong label has little left to do harm with; ``strict`` gives nothing a label of its own and
leaves out whatever is suspicious.
"""


def find_policy(policy: "str | Path | Policy") -> Policy:
    """A policy by name or from a TOML file.

    Args:
        policy: One of `POLICIES`, the path of a TOML file with fields of `Policy` (what it leaves
            out is as in ``balanced``, or as in the policy that it names by ``base``), or a policy.

    Raises:
        InputError: Neither, or a file with an unknown field or an impossible value.
    """
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, str) and policy in POLICIES:
        return POLICIES[policy]
    path = Path(policy) if isinstance(policy, str | Path) else Path()
    if path.suffix != ".toml" or not path.is_file():
        raise InputError(
            f"a policy: {', '.join(POLICIES)} or a .toml file that exists",
            repr(policy) if path == Path() else repr(str(path)),
            "Choose one of these, or check the path",
        )
    try:
        given = parse_toml(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"TOML in {path}", str(error), "Mend that line") from error
    base = given.pop("base", "balanced")
    if base not in POLICIES:
        raise InputError(
            f"a base among {', '.join(POLICIES)} in {path}", repr(base), "Choose one of these"
        )
    fields = {**POLICIES[base].model_dump(), "name": path.stem, **given}
    try:
        return Policy(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"])) or "the policy"
        raise InputError(
            f"a policy with the fields {', '.join(Policy.model_fields)} in {path}",
            f"{name}: {first['msg']}",
            "Correct the file",
        ) from error
