"""The command ``attribute``: which training prompts shaped these answers."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from chaffinch.cli.command import OUT
from chaffinch.cli.say import console, say
from chaffinch.core.errors import InputError
from chaffinch.core.place import check_model, check_paths

_ESTIMATORS = "grad_dot, grad_cos, datainf, ekfac, ekfac_cos, trak, rep_cos or task_forests."


def attribute(
    data: Annotated[
        str, typer.Argument(help="Training prompts and responses, or the folder of an earlier run.")
    ],
    query: Annotated[str, typer.Option(help="Prompts with the responses to be explained.")],
    model: Annotated[
        str | None, typer.Option(help="Folder, GGUF file or hub name of the fine-tuned model.")
    ] = None,
    lora: Annotated[Path | None, typer.Option(help="Folder of PEFT adapters.")] = None,
    out: Annotated[
        Path | None, typer.Option(*OUT, help="Folder of the run; by default DATA.attribution.")
    ] = None,
    estimator: Annotated[str, typer.Option(help=_ESTIMATORS)] = "datainf",
    layers: Annotated[
        str | None, typer.Option(help="lora, head, last_block, or a glob of parameters.")
    ] = None,
    blocks: Annotated[
        str | None, typer.Option(help="Glob of the blocks whose states count, for rep_cos.")
    ] = None,
    sketch: Annotated[
        int, typer.Option(help="Sketch size per parameter; 0 keeps whole gradients.")
    ] = 256,
    damping: Annotated[
        float | None, typer.Option(help="Damping of all layers; by default the estimator's own.")
    ] = None,
    top: Annotated[
        int, typer.Option(help="Number of helpful and harmful samples to list per query.")
    ] = 10,
    tokens: Annotated[
        int, typer.Option(help="For how many of these to show the influence of each token.")
    ] = 0,
    length: Annotated[int, typer.Option(help="Maximum number of tokens per sample.")] = 512,
    batch_size: Annotated[int, typer.Option(help="Batch size.")] = 8,
    prompt: Annotated[str | None, typer.Option(help="Column of the prompt.")] = None,
    response: Annotated[str | None, typer.Option(help="Column of the response.")] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column of unique keys.")] = None,
    task: Annotated[
        str | None, typer.Option(help="Column of the training samples' task, for task_forests.")
    ] = None,
    count_prompt: Annotated[
        bool, typer.Option("--count-prompt", help="Include the prompt's tokens in the loss.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> None:
    """Find the training prompts that helped and hurt the answers to some queries most."""
    check_paths(data, query, lora)
    check_model(model)
    from chaffinch.pipeline.attribute import PAGE, ask_again, attribute_prompts, is_attribution
    from chaffinch.report.answers import show

    options: dict[str, Any] = {
        "estimator": estimator,
        "damping": damping,
        "top": top,
        "tokens": tokens,
        "task": task,
        "batch_size": batch_size,
        "device": device,
        "seed": seed,
    }
    if is_attribution(data):
        folder = Path(data)
        answers = ask_again(folder, query, **options)
    elif model is None:
        raise InputError(
            "--model, the fine-tuned model, with training data",
            f"none with {data}",
            "Give its folder, or the folder of an earlier attribution in place of the data",
        )
    else:
        options |= {"lora": None if lora is None else str(lora), "layers": layers, "blocks": blocks}
        options |= {"sketch": sketch, "length": length, "count_prompt": count_prompt}
        options |= {"prompt": prompt, "response": response, "id_column": id_column}
        folder = out or Path(Path(data).resolve().name.split(".")[0] + ".attribution")
        answers = attribute_prompts(data, query, model, folder, **options)
    if as_json:
        for line in answers.lines():
            typer.echo(json.dumps(line, ensure_ascii=False))
        return
    show(answers, console())
    say(f"All of it: {folder / PAGE}")
