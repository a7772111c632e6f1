"""The command line: parse, call one function, print."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunelift.arguments import make_parser, way_to_judge
from tunelift.core.errors import UserError, counted

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


def _parser() -> argparse.ArgumentParser:
    return make_parser(
        {
            "run": _run,
            "check": _check,
            "tune": _tune,
            "evaluate": _evaluate,
            "compare": _compare,
            "judge": _judge,
            "report": _report,
            "export": _export,
            "serve": _serve,
            "task new": _new_task,
            "task types": _task_types,
            "data convert": _convert,
            "doctor": _doctor,
        }
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


def _tune(options: argparse.Namespace) -> None:
    recipe, folder = _recipe_and_folder(options)
    quiet_libraries()
    from tunelift.commands import tune_only

    tuning = tune_only(recipe, folder, options.accept_terms)
    losses = tuning["validation_losses"]
    best = f"best validation loss {min(losses):.4f} at step {tuning['best_step']}"
    text = f"{tuning['steps']} steps, {best}: {folder / 'model'}"
    print(json.dumps(tuning) if options.json else text)


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


def _compare(options: argparse.Namespace) -> int:
    from tunelift.comparison.gates import judge, parse_requirement
    from tunelift.comparison.reading import compare_pair, read_pair
    from tunelift.comparison.records import finite

    requirements = [parse_requirement(text) for text in options.require]
    pair = read_pair(options.baseline, options.candidate, options.filter, options.group_by, options.lower_is_better)
    verdicts = [judge(pair, requirement, options.alpha) for requirement in requirements]
    metrics = [options.metric, *(requirement.metric for requirement in requirements)]
    comparison = compare_pair(pair, next(filter(None, metrics), None))
    if options.json:
        record = comparison.to_dict() | {"requirements": [verdict.to_dict() for verdict in verdicts]}
        print(json.dumps(finite(record), ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(map(str, [comparison, *verdicts])))
    return EXIT_DONE if all(verdict.shown for verdict in verdicts) else EXIT_FELL_SHORT


def _judge(options: argparse.Namespace) -> None:
    way = way_to_judge(options)
    if way == "people":
        _read_people(options)
    elif way == "export":
        _export_pairs(options)
    else:
        _ask_judge(options)


def _ask_judge(options: argparse.Namespace) -> None:
    from tunelift.judging.answers import read_answers
    from tunelift.judging.by_model import endpoint_to_ask, judge_answers, model_to_ask

    answers = read_answers(options.run, options.candidate, options.baseline, options.limit)
    if options.endpoint is not None:
        name, judge = endpoint_to_ask(options.endpoint, options.judge, options.key_variable, options.max_tokens)
    else:
        quiet_libraries()
        name, judge = model_to_ask(options.model, options.max_tokens, options.accept_terms)
    judged, path = judge_answers(answers, name, judge, options.rubric or "", options.with_reference)
    from tunelift.judging.texts import judged_text

    print(json.dumps(judged.to_dict(), ensure_ascii=False) if options.json else f"{judged_text(judged)}\n{path}")


def _export_pairs(options: argparse.Namespace) -> None:
    from tunelift.judging.answers import read_answers
    from tunelift.judging.by_people import export_answers

    answers = read_answers(options.run, options.candidate, options.baseline, options.limit)
    pairs, key = export_answers(answers, options.export)
    text = f"{pairs}: {counted(len(answers.questions), 'pair')} to judge; give every person a copy\n"
    text += f"{key}: says whose answers they are; keep it to yourself"
    print(json.dumps({"pairs": str(pairs), "key": str(key)}, ensure_ascii=False) if options.json else text)


def _read_people(options: argparse.Namespace) -> None:
    from tunelift.judging.by_people import read_people

    found = read_people(options.run, list(zip(options.people, options.key, strict=True)))
    from tunelift.judging.texts import people_text

    print(json.dumps(found.to_dict(), ensure_ascii=False) if options.json else people_text(found))


def _report(options: argparse.Namespace) -> None:
    from tunelift.core.store import read_store

    read_store(options.run).files("report")  # refuses a run that is not finished
    print((options.run / "summary.txt").read_text(encoding="utf-8") + f"report: {options.run}/report.html")


def _export(options: argparse.Namespace) -> int:
    quiet_libraries()
    from dataclasses import asdict

    from tunelift.commands import export

    check = export(options.run, options.output or options.run / "export" / options.to, options.accept_terms)
    print(json.dumps(asdict(check)) if options.json else check)
    return EXIT_DONE if check.flips == 0 else EXIT_FELL_SHORT


def _serve(options: argparse.Namespace) -> None:
    quiet_libraries()
    from tunelift.commands import serve

    serve(options.model, options.host, options.port, options.accept_terms)


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
