from __future__ import annotations

import json
import random
import shutil
from calendar import month_name
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tunelift.core.errors import UserError
from tunelift.core.recipe import Full, Lora, Method, Tune
from tunelift.core.records import Example, Prompt, Source
from tunelift.data.tasks import Task
from tunelift.engine.answers import Answer, Stopping, answer_prompts
from tunelift.engine.encoder_decoder import first_tokens, is_encoder_decoder
from tunelift.engine.refusal import RefusedError
from tunelift.models.adapters import add_lora
from tunelift.models.load import LanguageModel, load_model, load_tuned
from tunelift.prompts.build import PromptStyle, build_prompts, training_prompts
from tunelift.prompts.chat import encode_chat, render_chat
from tunelift.tuning import trainer as trainer_module
from tunelift.tuning.loop import TuningReport
from tunelift.tuning.tune import tune_model

END = 1
FULL, LORA = Method(full=Full()), Method(lora=Lora(rank=4, dropout=0.1))


def dates(count: int) -> list[tuple[str, str]]:
    """Distinct dates in words and in figures."""
    every = [
        (f"{day} {name} {year}", f"{year}-{month:02d}-{day:02d}")
        for year in range(1950, 2030)
        for month, name in enumerate(month_name)
        if name
        for day in range(1, 29)
    ]
    return random.Random(1).sample(every, count)


def reversals(count: int) -> list[tuple[str, str]]:
    """Distinct strings of letters and what they are from behind."""
    draw = random.Random(1)
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(draw.choice("abcdefgh") for _ in range(draw.randint(3, 6)))] = None
    return [(word, word[::-1]) for word in words]


def examples(pairs: list[tuple[str, str]]) -> list[Example]:
    return [
        Example(str(row), {"text": text, "answer": answer}, answer, Source("rows", row), (answer,))
        for row, (text, answer) in enumerate(pairs, 1)
    ]


def make_tokenizer(pairs: list[tuple[str, str]], piece: str) -> Any:
    """As T5's: nothing before a text, the end token behind it."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(piece), "isolated")
    tokenizer.decoder = decoders.Fuse()
    trainer = trainers.WordLevelTrainer(special_tokens=["<pad>", "</s>", "<unk>"])
    tokenizer.train_from_iterator([f"{text} {answer}" for text, answer in pairs], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", END)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def write_model(folder: Path, kind: str, pairs: list[tuple[str, str]], piece: str = r"\w+|\W", width: int = 64) -> Path:
    """A folder with random weights and a tokenizer that was trained on the texts."""
    from transformers import AutoConfig, AutoModelForSeq2SeqLM

    tokenizer = make_tokenizer(pairs, piece)
    sizes: dict[str, Any] = {
        "d_kv": width // 4,
        "d_ff": 2 * width,
        "num_layers": 2,
        "num_heads": 4,
        "dropout_rate": 0.0,
    }
    if kind != "t5":
        sizes = {f"{part}_layers": 2 for part in ("encoder", "decoder")}
        sizes |= {f"{part}_ffn_dim": 2 * width for part in ("encoder", "decoder")}
        sizes |= {f"{part}_attention_heads": 4 for part in ("encoder", "decoder")}
        sizes |= {"max_position_embeddings": 64, "forced_eos_token_id": None, "dropout": 0.0, "init_std": 0.1}
    tokens = {"pad_token_id": 0, "eos_token_id": END, "decoder_start_token_id": 0 if kind == "t5" else END}
    config = AutoConfig.for_model(kind, vocab_size=len(tokenizer), d_model=width, **tokens, **sizes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        AutoModelForSeq2SeqLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = write_model(tmp_path_factory.mktemp("models") / kind, kind, dates(60), width=32)
        return made[kind]

    return folder


@pytest.fixture(scope="module")
def t5(folders: Callable[[str], Path]) -> LanguageModel:
    return load_model(str(folders("t5")), "float32")


def style(loaded: LanguageModel, chat: bool = True, **keys: Any) -> PromptStyle:
    defaults = {"task": "dates", "dataset_path": "rows", "doc_to_text": "{{text}}", "doc_to_target": "answer"}
    return PromptStyle(Task.model_validate({**defaults, **keys}), loaded.tokenizer, chat)


def answers(loaded: LanguageModel, asked: list[Example]) -> list[Answer]:
    """Greedy answers, and the log-probability of the right one."""
    prompts = [prompt.token_ids for prompt in build_prompts(style(loaded), asked, [()] * len(asked))]
    choices = [[loaded.tokenizer.encode(example.target, add_special_tokens=False)] for example in asked]
    decode = loaded.tokenizer.decode
    stopping = Stopping(loaded.stop_token_ids, (), 16, lambda ids: decode(ids, skip_special_tokens=True))
    return answer_prompts(loaded.model, prompts, choices, stopping, lambda done: None).answers


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_a_folder_is_loaded_as_the_library_does(folders: Callable[[str], Path], kind: str) -> None:
    from transformers import AutoModelForSeq2SeqLM

    loaded = load_model(str(folders(kind)), "float32")
    direct = AutoModelForSeq2SeqLM.from_pretrained(folders(kind), dtype=torch.float32).eval()
    ids = torch.tensor([[5, 6, 7, END]])
    with torch.no_grad():
        ours, theirs = (model(input_ids=ids, labels=ids).logits for model in (loaded.model, direct))
    assert torch.equal(ours, theirs)
    assert is_encoder_decoder(loaded.model)
    assert loaded.stop_token_ids == {END}
    assert loaded.tokenizer.chat_template is None
    assert (loaded.context == 64) is (kind == "bart")


def test_decoders_are_not_encoder_decoders_with_an_adapter_or_without(t5: LanguageModel, tiny_model: Any) -> None:
    assert not is_encoder_decoder(tiny_model("gpt2"))
    assert not is_encoder_decoder(add_lora(tiny_model("llama"), Lora(rank=2), 7))


def test_distances_limit_no_context(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy_with(folders("t5"), tmp_path / "model", n_positions=8)
    assert load_model(str(folder), "float32").context > 10**6


def copy_with(folder: Path, target: Path, **keys: Any) -> Path:
    shutil.copytree(folder, target)
    for name in ("config.json", "generation_config.json"):
        file = target / name
        file.write_text(json.dumps({**json.loads(file.read_text()), **keys}))
    return target


def test_a_model_that_does_not_say_how_its_decoder_begins_is_refused(
    folders: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copy_with(folders("t5"), tmp_path / "model", decoder_start_token_id=None, bos_token_id=None)
    with pytest.raises(UserError, match="cannot be used: its configuration has no decoder_start_token_id"):
        load_model(str(folder), "float32")


def test_what_a_decoder_begins_with(folders: Callable[[str], Path]) -> None:
    model = load_model(str(folders("bart")), "float32").model
    assert first_tokens(model) == [END]
    model.generation_config.forced_bos_token_id = 5
    assert first_tokens(model) == [END, 5]
    model.generation_config.decoder_start_token_id, model.generation_config.bos_token_id = None, 4
    assert first_tokens(model) == [4, 5]
    model.generation_config.bos_token_id = None
    with pytest.raises(RefusedError):
        first_tokens(model)


def test_the_prompt_is_the_encoders_and_the_answer_the_decoders(t5: LanguageModel) -> None:
    first, second = examples(dates(60))[:2]
    chosen = style(t5, description="May 3\n")
    (prompt,), (asked,) = training_prompts(chosen, [first]), build_prompts(chosen, [first], [[]])
    encode = t5.tokenizer.encode
    assert asked.text == f"May 3\n{first.fields['text']}"
    assert list(asked.token_ids) == [*encode(asked.text, add_special_tokens=False), END]
    border = prompt.supervised.index(True)
    assert prompt.token_ids[:border] == asked.token_ids
    assert list(prompt.token_ids[border:]) == [*encode(first.target, add_special_tokens=False), END]
    assert all(prompt.supervised[border:])
    (shown,) = build_prompts(chosen, [first], [[second]])
    assert shown.text == f"May 3\n{second.fields['text']} {second.target}\n\n{first.fields['text']}"
    assert shown.token_ids.count(END) == 1


def test_a_served_prompt_is_the_one_that_was_trained_on(t5: LanguageModel) -> None:
    item, shown = examples(dates(60))[:2]
    system = {"role": "system", "content": "May 3\n"}
    turns = [{"role": "user", "content": shown.fields["text"]}, {"role": "assistant", "content": shown.target}]
    question = {"role": "user", "content": item.fields["text"]}
    for messages, demonstrations in (([system, question], []), ([system, *turns, question], [shown])):
        (prompt,) = build_prompts(style(t5, description="May 3\n"), [item], [demonstrations])
        assert encode_chat(t5.tokenizer, messages) == list(prompt.token_ids)
        assert render_chat(t5.tokenizer, messages) == prompt.text


def settings(**changes: Any) -> Tune:
    chosen = {"learning_rate": 5e-3, "epochs": 2, "batch_size": 8, "checkpoint_steps": 4, "precision": "float32"}
    return Tune.model_validate({"method": LORA, **chosen, **changes})


def prompts_of(loaded: LanguageModel) -> tuple[list[Prompt], list[Prompt]]:
    made = training_prompts(style(loaded), examples(dates(60)))
    return made[:48], made[48:]


def tune(loaded: LanguageModel, chosen: Tune, folder: Path) -> TuningReport:
    return tune_model(loaded, *prompts_of(loaded), chosen, 7, folder)


def logits(loaded: LanguageModel) -> torch.Tensor:
    ids = torch.tensor([[5, 6, 7, END]])
    with torch.no_grad():
        return loaded.model(input_ids=ids, decoder_input_ids=ids).logits


def test_the_size_of_micro_batches_does_not_change_the_trajectory(
    folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    for budget in (1, 100_000):
        monkeypatch.setattr("tunelift.tuning.loop.TOKEN_BUDGET", {"cpu": budget, "cuda": budget, "mps": budget})
        loaded = load_model(str(folders("bart")), "float32")
        loaded.model.double()
        report = tune(loaded, settings(method=Method(lora=Lora(rank=4)), epochs=1), tmp_path / str(budget))
        losses.append(report.training_losses)
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert losses[0][-1] < losses[0][0]


class KilledError(Exception):
    pass


@pytest.mark.parametrize(("kind", "method"), [("t5", FULL), ("bart", LORA)])
def test_resumed_tuning_equals_undisturbed_tuning(
    folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, method: Method
) -> None:
    def fresh() -> LanguageModel:
        return load_model(str(folders(kind)), "float32")

    original = trainer_module.PromptTrainer.training_step

    def training_step(self: Any, *arguments: Any, **options: Any) -> torch.Tensor:
        if self.state.global_step == 6:
            raise KilledError
        return original(self, *arguments, **options)

    undisturbed = tune(fresh(), settings(method=method), tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(trainer_module.PromptTrainer, "training_step", training_step)
        with pytest.raises(KilledError):
            tune(fresh(), settings(method=method), tmp_path / "killed")
    assert tune(fresh(), settings(method=method), tmp_path / "killed") == undisturbed
    first, second = (load_tuned(fresh(), tmp_path / name / "model", "float32") for name in ("whole", "killed"))
    assert torch.equal(logits(first), logits(second))
    assert not torch.equal(logits(first), logits(fresh()))


@pytest.mark.parametrize("kind", ["t5", "bart"])
@pytest.mark.parametrize("method", [LORA, FULL], ids=["lora", "full"])
def test_what_is_saved_is_loaded_again(
    folders: Callable[[str], Path], tmp_path: Path, kind: str, method: Method
) -> None:
    base = load_model(str(folders(kind)), "float32")
    before = logits(base)
    report = tune(base, settings(method=method, learning_rate=1e-2, epochs=4), tmp_path)
    assert min(report.validation_losses) < 0.9 * report.training_losses[0]
    if method is LORA:
        assert torch.equal(logits(base), before)
        adapter = json.loads((tmp_path / "model" / "adapter_config.json").read_text())
        assert adapter["task_type"] == "SEQ_2_SEQ_LM"
    tuned = load_tuned(base, tmp_path / "model", "float32")
    named = load_model(str(tmp_path / "model"), "float32")
    torch.testing.assert_close(logits(tuned), logits(named))
    assert tuned.tokenizer.chat_template is named.tokenizer.chat_template is None
    asked = examples(dates(60))[:5]
    assert [answer.token_ids for answer in answers(tuned, asked)] == [a.token_ids for a in answers(named, asked)]


def test_weights_that_the_library_does_not_save_are_not_tuned(folders: Callable[[str], Path], tmp_path: Path) -> None:
    base = load_model(str(folders("marian")), "float32")
    positions = base.model.get_encoder().embed_positions.weight.clone()
    tune(base, settings(method=FULL, epochs=1), tmp_path)
    assert torch.equal(base.model.get_encoder().embed_positions.weight, positions)
    torch.testing.assert_close(logits(base), logits(load_model(str(tmp_path / "model"), "float32")))


def test_last_layers_of_two_stacks_are_refused(folders: Callable[[str], Path]) -> None:
    with pytest.raises(UserError, match="last_layers: is not offered for a model with an encoder"):
        add_lora(load_model(str(folders("t5")), "float32").model, Lora(rank=2, last_layers=1), 7)


@pytest.mark.parametrize(
    ("make", "piece", "count", "epochs"),
    [
        pytest.param(dates, r"\w+|\W", 1500, 4, id="dates"),
        pytest.param(reversals, ".", 3000, 8, id="reversals", marks=pytest.mark.long),
    ],
)
def test_a_model_learns_from_random_weights_what_it_has_never_seen(
    tmp_path: Path, make: Callable[[int], list[tuple[str, str]]], piece: str, count: int, epochs: int
) -> None:
    rows = examples(make(count + 200))
    pairs = [(row.fields["text"], row.target) for row in rows]
    base = load_model(str(write_model(tmp_path / "base", "t5", pairs, piece)), "float32")
    training, validation, held_out = rows[:count], rows[count : count + 50], rows[count + 50 :]
    before = answers(base, held_out)
    prompts = [training_prompts(style(base), part) for part in (training, validation)]
    chosen = settings(method=FULL, learning_rate=3e-3, epochs=epochs, batch_size=32, checkpoint_steps=10_000)
    tune_model(base, *prompts, chosen, 7, tmp_path / "run")
    after = answers(load_model(str(tmp_path / "run" / "model"), "float32"), held_out)
    assert right(before, held_out) < 0.05
    assert right(after, held_out) > 0.9
    assert {answer.finish_reason for answer in after} == {"stop"}
    assert all(new.logprobs[0] > old.logprobs[0] for new, old in zip(after, before, strict=True))


def right(given: list[Answer], asked: list[Example]) -> float:
    return sum(answer.text == item.target for answer, item in zip(given, asked, strict=True)) / len(asked)
