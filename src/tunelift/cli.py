"""The command line: parse, call one function, print."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from tunelift import __version__
from tunelift.core.errors import UserError

EXIT_DONE, EXIT_FELL_SHORT, EXIT_USER_ERROR = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit status: 0 done; 1 done, and something that was to be checked fell short; 2 the user must change
        something.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        options = _parser().parse_args(arguments)
        return int(options.call(options) or EXIT_DONE)
    except KeyboardInterrupt:
        goes_on = any(verb in arguments[:1] for verb in ("run", "tune"))
        print("stopped; the same command goes on from here" if goes_on else "stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_DONE
    except (UserError, OSError) as error:
        if "--debug" in arguments:
            raise
        print(f"error: {_one_line(error)}", file=sys.stderr)
        return EXIT_USER_ERROR


def _one_line(error: UserError | OSError) -> UserError:
    if isinstance(error, UserError):
        return error
    where, what = error.filename or "operating system", error.strerror or str(error)
    return UserError(where, what, "check the path, its permissions and the space left; --debug shows where it happened")


class _Parser(argparse.ArgumentParser):
    """Mistakes on the command line are reported like all others."""

    def error(self, message: str) -> NoReturn:
        raise UserError(self.prog, message, f"see {self.prog} --help")


def _whole_number(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f'"{text}" is not a whole number from {least} on')
        return int(text)

    return parse


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f'"{text}" is no list of names between commas')
    return names


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="tunelift",
        description="Tune a language model on instruction data and measure, with evidence, what it gained.",
        epilog="exit status: 0 done; 1 done, but something to be checked fell short; 2 something must be changed",
    )
    parser.add_argument("--version", action="version", version=f"tunelift {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(verbs)
    _add_check(verbs)
    _add_tune(verbs)
    _add_evaluate(verbs)
    _add_compare(verbs)
    _add_report(verbs)
    _add_export(verbs)
    _add_serve(verbs)
    _add_task(verbs)
    _add_data(verbs)
    _add_doctor(verbs)
    return parser


def _verb(verbs: Any, name: str, call: Any, summary: str, *, model: bool = True) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=summary, description=summary)
    parser.set_defaults(call=call)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    if model:
        parser.add_argument(
            "--accept-terms", action="store_true", help="accept the terms of use of a bundled model that has such"
        )
    return parser


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", type=Path, help="the recipe (YAML)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a key: --set tune.epochs=3"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def _add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="run directory (default: runs/NAME of the recipe)"
    )


def _read_recipe(options: argparse.Namespace) -> Any:
    """The recipe; mistakes in it and in its task are found before the libraries are loaded, which takes seconds."""
    from tunelift.core.recipe import load_recipe
    from tunelift.data.tasks import load_task

    recipe = load_recipe(options.recipe, options.set)
    load_task(recipe.task)
    return recipe


def _recipe_and_folder(options: argparse.Namespace) -> tuple[Any, Path]:
    return _read_recipe(options), options.output or Path("runs") / run_name(options.recipe)


def run_name(recipe: Path) -> str:
    """Name of a run: the folder of a file that is called recipe.yaml, the file's own name otherwise."""
    return recipe.resolve().parent.name if recipe.stem == "recipe" else recipe.stem


def _add_run(verbs: Any) -> None:
    summary = "the whole loop: check, baselines, tuning, evaluation, comparison, report"
    parser = _verb(verbs, "run", _run, summary)
    _add_recipe(parser)
    _add_output(parser)


def _run(options: argparse.Namespace) -> None:
    recipe, folder = _recipe_and_folder(options)
    quiet_libraries()
    from tunelift.pipeline import run
    from tunelift.report.summary import summary_text

    result = run(recipe, folder, options.accept_terms)
    if options.json:
        print(json.dumps(result.comparison.to_dict(), ensure_ascii=False))
    else:
        print(f"{summary_text(result)}\nreport: {folder}/report.html")


def _add_check(verbs: Any) -> None:
    _add_recipe(_verb(verbs, "check", _check, "look at data and prompts, and show which tokens are trained on"))


def _check(options: argparse.Namespace) -> None:
    recipe = _read_recipe(options)
    quiet_libraries()
    from tunelift.commands import check_only
    from tunelift.report.preview import check_text

    checked = check_only(recipe, options.accept_terms)
    if options.json:
        print(json.dumps(checked.to_dict(), ensure_ascii=False))
    else:
        print(check_text(checked, colour=sys.stdout.isatty()))


def _add_tune(verbs: Any) -> None:
    parser = _verb(verbs, "tune", _tune, "only check and tuning of a recipe")
    _add_recipe(parser)
    _add_output(parser)


def _tune(options: argparse.Namespace) -> None:
    recipe, folder = _recipe_and_folder(options)
    quiet_libraries()
    from tunelift.commands import tune_only

    tuning = tune_only(recipe, folder, options.accept_terms)
    losses = tuning["validation_losses"]
    best = f"best validation loss {min(losses):.4f} at step {tuning['best_step']}"
    text = f"{tuning['steps']} steps, {best}: {folder / 'model'}"
    print(json.dumps(tuning) if options.json else text)


def _add_evaluate(verbs: Any) -> None:
    parser = _verb(verbs, "evaluate", _evaluate, "answer the test items of a task with a model")
    parser.add_argument("--model", required=True, help="bundled/..., folder, .gguf file, run directory or hub id")
    parser.add_argument(
        "--tasks", required=True, help="task files, folders of such, or builtin/general-en and -zh, separated by commas"
    )
    parser.add_argument("--num_fewshot", type=_whole_number(0), help="demonstrations (default: the task's or 0)")
    parser.add_argument("--limit", type=_whole_number(1), help="a seeded random subset of the items")
    parser.add_argument("--output_path", type=Path, default=Path("results"), help="where results and samples go")
    parser.add_argument("--apply_chat_template", action="store_true", help="render a task of the harness as a chat")
    parser.add_argument(
        "--allow-execution", action="store_true", help="run programs that the model writes, in a sandbox"
    )
    parser.add_argument("--log_samples", action="store_true", help="write every item with its answer")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print the results as JSON on standard output")


def _evaluate(options: argparse.Namespace) -> None:
    quiet_libraries()
    from tunelift.commands import evaluate_files
    from tunelift.evaluation.suites import averages, task_files

    results = evaluate_files(
        options.model,
        [file for name in options.tasks.split(",") for file in task_files(name.strip())],
        shots=options.num_fewshot,
        limit=options.limit,
        folder=options.output_path,
        chat=options.apply_chat_template,
        log_samples=options.log_samples,
        seed=options.seed,
        accept_terms=options.accept_terms,
        allow_execution=options.allow_execution,
    )
    for evaluation, record in results:
        print(json.dumps(record, ensure_ascii=False) if options.json else evaluation)
    for average in averages([evaluation for evaluation, _ in results]) if not options.json else ():
        print(average)


def _add_compare(verbs: Any) -> None:
    parser = _verb(verbs, "compare", _compare, "compare two logs of the same items, ours or others'", model=False)
    log = "samples_*.jsonl, Inspect's .eval or .json, scores in a .csv or .tsv, or a folder with one log"
    parser.add_argument("baseline", type=Path, help=log)
    parser.add_argument("candidate", type=Path, help="the same")
    parser.add_argument("--metric", help="which metric (default: the first that is required, acc, or the only one)")
    parser.add_argument("--filter", help="which filter of the harness, where there are several")
    grouped = "what says which items belong together: a field of documents, a key of metadata or a column"
    parser.add_argument("--group-by", metavar="NAME", help=grouped)
    lower = "a metric of which the files do not say that lower is better"
    parser.add_argument("--lower-is-better", action="append", default=[], metavar="METRIC", help=lower)
    required = (
        "exit with status 1 unless an improvement of at least so much is shown, in percentage points for shares and in"
        " the metric's own unit for others; a fall where lower is better; several can be given"
    )
    parser.add_argument("--require", action="append", default=[], metavar="'METRIC >= NUMBER'", help=required)
    level = "level of each --require, whose interval has the confidence 1 - alpha (default: 0.05)"
    parser.add_argument("--alpha", type=_level, default=0.05, help=level)
    parser.add_argument("--json", action="store_true", help="print comparison and verdicts as JSON on standard output")


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = 0.0
    if not 0.001 <= level <= 0.5:  # what 20,000 drawn sign flips can resolve
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 0.001 to 0.5')
    return level


def _compare(options: argparse.Namespace) -> int:
    from tunelift.comparison.gates import judge, parse_requirement
    from tunelift.comparison.reading import compare_pair, read_pair

    requirements = [parse_requirement(text) for text in options.require]
    pair = read_pair(options.baseline, options.candidate, options.filter, options.group_by, options.lower_is_better)
    verdicts = [judge(pair, requirement, options.alpha) for requirement in requirements]
    metrics = [options.metric, *(requirement.metric for requirement in requirements)]
    comparison = compare_pair(pair, next(filter(None, metrics), None))
    if options.json:
        record = comparison.to_dict() | {"requirements": [verdict.to_dict() for verdict in verdicts]}
        print(json.dumps(record, ensure_ascii=False))
    else:
        print("\n".join(map(str, [comparison, *verdicts])))
    return EXIT_DONE if all(verdict.shown for verdict in verdicts) else EXIT_FELL_SHORT


def _add_report(verbs: Any) -> None:
    parser = _verb(verbs, "report", _report, "show the summary of a finished run again", model=False)
    parser.add_argument("run", type=Path, help="the run directory")


def _report(options: argparse.Namespace) -> None:
    from tunelift.core.store import read_store

    read_store(options.run).files("report")  # refuses a run that is not finished
    print((options.run / "summary.txt").read_text(encoding="utf-8") + f"report: {options.run}/report.html")


def _add_export(verbs: Any) -> None:
    parser = _verb(verbs, "export", _export, "save the tuned model of a run for use elsewhere, and check it")
    parser.add_argument("run", type=Path, help="the run directory")
    parser.add_argument(
        "--to", choices=["merged"], required=True, help="merged: adapter merged into the weights, float32"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where to (default: RUN/export/merged)")
    parser.add_argument("--json", action="store_true", help="print the check as JSON on standard output")


def _export(options: argparse.Namespace) -> int:
    quiet_libraries()
    from dataclasses import asdict

    from tunelift.commands import export

    check = export(options.run, options.output or options.run / "export" / options.to, options.accept_terms)
    print(json.dumps(asdict(check)) if options.json else check)
    return EXIT_DONE if check.flips == 0 else EXIT_FELL_SHORT


def _add_serve(verbs: Any) -> None:
    parser = _verb(verbs, "serve", _serve, "serve a model through an OpenAI-compatible API")
    parser.add_argument("model", help="a run directory, or any model")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=_whole_number(0), default=8000)


def _serve(options: argparse.Namespace) -> None:
    quiet_libraries()
    from tunelift.commands import serve

    serve(options.model, options.host, options.port, options.accept_terms)


def _add_task(verbs: Any) -> None:
    group = verbs.add_parser("task", help="task files", description="task files")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = _verb(actions, "new", _new_task, "write a commented task file to begin with", model=False)
    parser.add_argument("type", help="type of the task; `tunelift task types` lists them")
    parser.add_argument("--language", default="en", help="language of the task: en or zh")
    parser.add_argument("--output", type=Path, help="the file to write (default: standard output)")
    _verb(actions, "types", _task_types, "the ready types of tasks", model=False)


def _new_task(options: argparse.Namespace) -> None:
    from tunelift.core.files import write_text
    from tunelift.data.starter import starter

    text = starter(options.type, options.language)
    if options.output is None:
        print(text, end="")
        return
    if options.output.exists():
        raise UserError(options.output, "exists already", "name another file, or remove it first")
    write_text(options.output, text)
    print(f"wrote {options.output}", file=sys.stderr)


def _task_types(options: argparse.Namespace) -> None:
    from tunelift.data.tasks import TYPES, task_types

    for name in task_types():
        about = (TYPES / f"{name}.yaml").read_text(encoding="utf-8").split("\n")[0]
        print(f"{name:<24} {about.removeprefix('# ').partition('Field')[0].strip()}")


def _add_data(verbs: Any) -> None:
    from tunelift.data.tagging import LETTERS

    group = verbs.add_parser("data", help="data files", description="data files")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = _verb(actions, "convert", _convert, "write a data file in another layout", model=False)
    parser.add_argument("source", type=Path, help="the file or folder to read")
    parser.add_argument("target", type=Path, help="the file to write; its ending says the container")
    parser.add_argument("--to", required=True, help="layout of the target, for example messages or alpaca")
    parser.add_argument("--from", dest="layout", help="layout of the source (default: recognised by its columns)")
    parser.add_argument("--columns", type=_names, help="names of the columns of a source without: question,answer")
    parser.add_argument("--keep", type=_names, default=[], help="further fields to copy: id,source")
    parser.add_argument("--scheme", choices=list(LETTERS), default="BIO", help="of tags that are written; default BIO")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON on standard output")


def _convert(options: argparse.Namespace) -> None:
    from tunelift.data.convert import convert_file

    conversion = convert_file(
        options.source,
        options.target,
        options.to,
        options.layout,
        columns=options.columns,
        keep=options.keep,
        scheme=options.scheme,
    )
    print(json.dumps(conversion.to_dict(), ensure_ascii=False) if options.json else conversion)


def _add_doctor(verbs: Any) -> None:
    parser = _verb(verbs, "doctor", _doctor, "what this machine has, and what is installed")
    parser.add_argument(
        "--install", action="append", default=[], metavar="NAME",
        help="install a bundled model or data set; `bundled` installs all that are free",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the findings as JSON on standard output")


def _doctor(options: argparse.Namespace) -> int:
    from tunelift.doctor import examine, install

    for name in options.install:
        install(name, options.accept_terms)
    findings = examine()
    if options.json:
        print(json.dumps(findings, ensure_ascii=False))
    else:
        print("\n".join(f"{name:<32} {state}" for name, state in findings.items()))
    return EXIT_DONE


def quiet_libraries() -> None:
    """Keep the libraries from printing what concerns their developers; our own lines and bars remain."""
    import warnings

    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)
    warnings.filterwarnings("ignore", module="peft")


if __name__ == "__main__":
    sys.exit(main())
