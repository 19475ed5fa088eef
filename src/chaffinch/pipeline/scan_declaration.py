"""The options of a scan, declared once for Python and the shell. Imports nothing slow."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from chaffinch.core.types import Assumption, Rule


def _listed(value: Any) -> Any:
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


def _named(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


def _counted(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdecimal() else value


Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, BeforeValidator(_named)]
"""Of a column; pandas numbers columns that have no name."""


class ScanDeclaration(BaseModel):
    """How to train and judge; what is left out is chosen to fit the data.

    Each option is declared here once: `chaffinch.scan` takes it as a keyword argument, and
    ``chaffinch scan`` as an option of the same name.

    Attributes:
        task: What a label is: ``classification``, ``regression``, ``prompts``, another name that
            is installed, or ``MODULE:NAME`` or ``FILE.py:NAME`` of a task of one's own; ``auto`` to
            go by the data. In Python also a `Task`.
        epochs: Number of epochs; 30 for tables, 6 for texts, 4 for the model in a folder,
            enough for images to make about 1,000 steps.
        batch_size: Batch size; a 40th of the data, between 16 and 128, or 32 for the model in a
            folder.
        learning_rate: Peak learning rate of the one-cycle schedule.
        weight_decay: Weight decay of AdamW.
        folds: Number of cross-validation folds, whose models predict the part of the data that they
            never saw; 3, or 2 for images and texts; 0 for none, with less certain findings.
        fold_epochs: Epochs of each fold's model, at most ``epochs``; by default about an eighth of
            these, a quarter for images and texts, all for the model in a folder, and enough for
            some 80 steps. Fewer than ``epochs`` have a cycle of their own, at two to three times
            the rate unless a learning rate is given.
        device: Where to train: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ...
        seed: Random seed; the same seed gives the same findings.
        scorers: Names of the score columns wanted, of families of them, or ``all``; the usual
            ones that apply by default. What they need beyond that is collected too.
        select: Which samples are flagged: ``f1`` for the set of highest expected F1, ``fdr`` for
            the largest one with at most the share ``fdr`` of false alarms.
        fdr: Share of false alarms that the rule ``fdr`` allows.
        assume: What a label is: ``crisp`` where each sample has one right class (what is in the
            picture), ``graded`` where labels are outcomes or opinions (income, sentiment),
            ``auto`` to go by the evidence.
        rounds: How many times the data are cleaned of what was found, trained on and judged anew;
            ``auto`` goes on until the flagged set hardly changes.
        canaries: Whether a few spoilt copies of samples are trained beside the real ones, to learn
            how well each kind of glitch is found here, and without folds how likely labels are
            wrong.
        repeats: Number of trainings, each under another seed; suspicions are then means of
            log-odds, and scores mean ranks.
        ensemble: Number of models trained for scorers that need an ensemble.
        dropout_passes: Number of forward passes with dropout on for scorers that need them.
        id_column: Column of unique keys; ids come from the content by default.
        text_column: Column(s) of the text; "none" for a table whatever its columns look like.
        group: Column of the source, annotator or time slice of each sample, no feature: labels of
            some may be wrong far more often than those of others.
        series: Column that names the time series of which each row is a step, in order of a column
            ``time`` or ``date``, else of the rows. For arrays (N, T, F), any name or True.
        sep: The character between the cells of a text file; found out by default.
        decimal: The decimal sign of its numbers, "." or ","; found out by default.
        encoding: Its encoding; found out by default.
        encoder: Pre-trained encoder whose features heads are trained on: the folder of a
            Transformers model for images, texts or sounds, or its name on the hub; ``timm:NAME``;
            ``MODULE:FACTORY`` or ``FILE.py:FACTORY``; or vectors in a .npy, .npz or .parquet file,
            by row or by id. In Python also a module, or a function from a batch to (B, K).
        embeddings: (N, K) vectors of the samples in the order of the data, in place of an encoder.
        cache: Whether features are looked up in, and added to, the cache of this user.
        embedder: Former name of ``encoder``.
        length: Maximum number of tokens per text for the model in a folder: 128, and 512 for prompt
            and response together. Longer texts lose their end, longer prompts their beginning.
        prompt: Column of prompts without labels; found by name by default.
        response: Column of their responses; found by name by default.
        lora: Folder of adapters for the causal model that reads prompts and responses.
        chat_template: How that model is given conversations: ``auto``, which is the default, for
            its tokenizer's chat template if there is one, ``none``, or a Jinja file.
        train: False to score the given model as it is.
        checkpoints: Pattern of files with states of the given model, scored in order as epochs.
        keep_checkpoints: Whether ``out/checkpoints`` gets the weights after every epoch, for
            influence over checkpoints.
        strict: Whether any sample that cannot be judged is an error, which lists all of them.
        max_pixels: Largest image to decode, in pixels; larger ones count as unreadable. 40 million
            by default.
        out: Folder to keep the run in; nothing is kept by default.
        overwrite: Whether a run at ``out`` may be replaced.
        ledger: Where runs are recorded: a file, or ``postgresql://...``; "none" for nowhere. By
            default what CHAFFINCH_LEDGER says, else ``.chaffinch/ledger.db`` beside ``out``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Any = "auto"
    epochs: int | None = Field(default=None, ge=1)
    batch_size: int | None = Field(default=None, ge=1)
    learning_rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    weight_decay: float = Field(default=1e-4, ge=0, allow_inf_nan=False)
    folds: int | None = Field(default=None, ge=0)
    fold_epochs: int | None = Field(default=None, ge=1)
    device: str = "auto"
    seed: int = Field(default=0, ge=0, lt=2**31)
    scorers: Annotated[list[str] | None, BeforeValidator(_listed)] = None
    select: Rule = "f1"
    fdr: float = Field(default=0.1, gt=0, lt=1)
    assume: Assumption = "auto"
    rounds: Annotated[Literal["auto"] | Count, BeforeValidator(_counted)] = 1
    canaries: bool = True
    repeats: int = Field(default=1, ge=1)
    ensemble: int = Field(default=3, ge=2)
    dropout_passes: int = Field(default=5, ge=2)
    id_column: Name | None = None
    text_column: Name | None = None
    group: Name | None = None
    series: Name | None = None
    sep: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    encoder: Any = None
    embeddings: Any = None
    cache: bool = True
    embedder: Path | None = None
    length: int | None = Field(default=None, ge=2)
    prompt: str | None = None
    response: str | None = None
    lora: Path | None = None
    chat_template: str | None = None
    train: bool = True
    checkpoints: str | None = None
    keep_checkpoints: bool = False
    strict: bool = False
    max_pixels: int | None = Field(default=None, ge=1)
    out: Path | None = None
    overwrite: bool = False
    ledger: str | None = None
