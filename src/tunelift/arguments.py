"""What can be written on the command line: the arguments of every command, and nothing of what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from tunelift import __version__
from tunelift.core.errors import UserError, counted

Call = Callable[[argparse.Namespace], int | None]

CONDITIONS = ("candidate", "baseline")
OF_A_MODEL = ("rubric", "with_reference", "max_tokens", "limit")
# What each way to judge needs, and what it takes besides.
WAYS_TO_JUDGE: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "endpoint": ((*CONDITIONS, "judge"), ("key_variable", *OF_A_MODEL)),
    "model": (CONDITIONS, OF_A_MODEL),
    "export": (CONDITIONS, ("limit",)),
    "people": (("key",), ()),
}


def make_parser(calls: Mapping[str, Call]) -> argparse.ArgumentParser:
    """The parser of the whole command line.

    Args:
        calls: What each command does with its options, by its words: "run", "task new". Parsed options hold it as
            `call`.
    """
    parser = _Parser(
        prog="tunelift",
        description="Tune a language model on instruction data and measure, with evidence, what it gained.",
        epilog="exit status: 0 done; 1 done, but something to be checked fell short; 2 something must be changed",
    )
    parser.add_argument("--version", action="version", version=f"tunelift {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_run(verbs, calls["run"])
    _add_check(verbs, calls["check"])
    _add_tune(verbs, calls["tune"])
    _add_evaluate(verbs, calls["evaluate"])
    _add_compare(verbs, calls["compare"])
    _add_judge(verbs, calls["judge"])
    _add_report(verbs, calls["report"])
    _add_export(verbs, calls["export"])
    _add_serve(verbs, calls["serve"])
    _add_task(verbs, calls["task new"], calls["task types"])
    _add_data(verbs, calls["data convert"])
    _add_doctor(verbs, calls["doctor"])
    return parser


class _Parser(argparse.ArgumentParser):
    """Mistakes on the command line are reported like all others."""

    def error(self, message: str) -> NoReturn:
        raise UserError(self.prog, message, f"see {self.prog} --help")


def _verb(verbs: Any, name: str, call: Call, summary: str, *, model: bool = True) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=summary, description=summary)
    parser.set_defaults(call=call)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    if model:
        parser.add_argument(
            "--accept-terms", action="store_true", help="accept the terms of use of a bundled model that has such"
        )
    return parser


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


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = 0.0
    if not 0.001 <= level <= 0.5:  # what 20,000 drawn sign flips can resolve
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 0.001 to 0.5')
    return level


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


def _add_run(verbs: Any, call: Call) -> None:
    summary = "the whole loop: check, baselines, tuning, evaluation, comparison, report"
    parser = _verb(verbs, "run", call, summary)
    _add_recipe(parser)
    _add_output(parser)


def _add_check(verbs: Any, call: Call) -> None:
    _add_recipe(_verb(verbs, "check", call, "look at data and prompts, and show which tokens are trained on"))


def _add_tune(verbs: Any, call: Call) -> None:
    parser = _verb(verbs, "tune", call, "only check and tuning of a recipe")
    _add_recipe(parser)
    _add_output(parser)


def _add_evaluate(verbs: Any, call: Call) -> None:
    parser = _verb(verbs, "evaluate", call, "answer the test items of a task with a model")
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


def _add_compare(verbs: Any, call: Call) -> None:
    parser = _verb(verbs, "compare", call, "compare two logs of the same items, ours or others'", model=False)
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


def _add_judge(verbs: Any, call: Call) -> None:
    parser = _verb(verbs, "judge", call, "let a model or people judge which of two answers is better")
    parser.add_argument("run", type=Path, help="the run directory")
    parser.add_argument("candidate", nargs="?", help="the condition in question")
    parser.add_argument("baseline", nargs="?", help="the condition that it is held against")
    way = parser.add_mutually_exclusive_group(required=True)
    way.add_argument("--endpoint", metavar="URL", help="a model behind an OpenAI-compatible API judges")
    way.add_argument("--model", help="a model judges: bundled/..., folder, .gguf file, run directory or hub id")
    way.add_argument("--export", type=Path, metavar="FOLDER", help="write blind pairs for people to judge")
    read = "read what people judged, with the --key of the same files; both can be given several times"
    way.add_argument("--people", type=Path, action="append", nargs="+", metavar="FILE", help=read)
    parser.add_argument("--judge", metavar="MODEL", help="what the endpoint calls the model")
    key = "name of the environment variable that holds the key of the endpoint"
    parser.add_argument("--key-variable", metavar="NAME", help=key)
    parser.add_argument("--rubric", metavar="TEXT", help="what makes an answer good (default: a general rubric)")
    parser.add_argument("--with-reference", action="store_true", help="show the judge the target of each item")
    length = "most tokens of a verdict (default: 64); models that think first need more"
    parser.add_argument("--max-tokens", type=_whole_number(1), metavar="N", help=length)
    parser.add_argument("--limit", type=_whole_number(1), metavar="N", help="a seeded random subset of the items")
    parser.add_argument("--key", type=Path, action="append", metavar="FILE", help="key.json beside the exported pairs")
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")


def way_to_judge(options: argparse.Namespace) -> str:
    """Which way to judge was chosen: "endpoint", "model", "export" or "people".

    Raises:
        UserError: It lacks an argument, or another one is given that belongs to another way.
    """
    way = next(name for name in WAYS_TO_JUDGE if getattr(options, name) is not None)
    needed, further = WAYS_TO_JUDGE[way]
    arguments = {name for pair in WAYS_TO_JUDGE.values() for names in pair for name in names}
    given = {name for name in arguments if getattr(options, name) not in (None, False)}
    where, hint = "tunelift judge", "see tunelift judge --help"
    if missing := [_written(name) for name in needed if name not in given]:
        raise UserError(where, f"--{way} needs {' and '.join(missing)}", hint)
    if surplus := sorted(_written(name) for name in given.difference(needed, further)):
        raise UserError(where, f"--{way} does not take {' and '.join(surplus)}", hint)
    if way == "people" and len(options.people) != len(options.key):
        what = f"{counted(len(options.people), 'group')} of files with {counted(len(options.key), 'key')}"
        raise UserError(where, what, "write --people FILE... --key FILE for each export")
    return way


def _written(name: str) -> str:
    """An argument of `judge` as the user writes it."""
    return name.upper() if name in CONDITIONS else f"--{name.replace('_', '-')}"


def _add_report(verbs: Any, call: Call) -> None:
    parser = _verb(verbs, "report", call, "show the summary of a finished run again", model=False)
    parser.add_argument("run", type=Path, help="the run directory")


def _add_export(verbs: Any, call: Call) -> None:
    parser = _verb(verbs, "export", call, "save the tuned model of a run for use elsewhere, and check it")
    parser.add_argument("run", type=Path, help="the run directory")
    parser.add_argument(
        "--to", choices=["merged"], required=True, help="merged: adapter merged into the weights, float32"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where to (default: RUN/export/merged)")
    parser.add_argument("--json", action="store_true", help="print the check as JSON on standard output")


def _add_serve(verbs: Any, call: Call) -> None:
    parser = _verb(verbs, "serve", call, "serve a model through an OpenAI-compatible API")
    parser.add_argument("model", help="a run directory, or any model")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=_whole_number(0), default=8000)


def _add_task(verbs: Any, new: Call, types: Call) -> None:
    group = verbs.add_parser("task", help="task files", description="task files")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = _verb(actions, "new", new, "write a commented task file to begin with", model=False)
    parser.add_argument("type", help="type of the task; `tunelift task types` lists them")
    parser.add_argument("--language", default="en", help="language of the task: en or zh")
    parser.add_argument("--output", type=Path, help="the file to write (default: standard output)")
    _verb(actions, "types", types, "the ready types of tasks", model=False)


def _add_data(verbs: Any, call: Call) -> None:
    from tunelift.data.tagging import LETTERS

    group = verbs.add_parser("data", help="data files", description="data files")
    actions = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    parser = _verb(actions, "convert", call, "write a data file in another layout", model=False)
    parser.add_argument("source", type=Path, help="the file or folder to read")
    parser.add_argument("target", type=Path, help="the file to write; its ending says the container")
    parser.add_argument("--to", required=True, help="layout of the target, for example messages or alpaca")
    parser.add_argument("--from", dest="layout", help="layout of the source (default: recognised by its columns)")
    parser.add_argument("--columns", type=_names, help="names of the columns of a source without: question,answer")
    parser.add_argument("--keep", type=_names, default=[], help="further fields to copy: id,source")
    parser.add_argument("--scheme", choices=list(LETTERS), default="BIO", help="of tags that are written; default BIO")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON on standard output")


def _add_doctor(verbs: Any, call: Call) -> None:
    parser = _verb(verbs, "doctor", call, "what this machine has, and what is installed")
    parser.add_argument(
        "--install", action="append", default=[], metavar="NAME",
        help="install a bundled model or data set; `bundled` installs all that are free",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the findings as JSON on standard output")
