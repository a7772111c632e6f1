"""Losses, choice scores and answers of encoder-decoders are those of the library, one prompt at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunelift.core.recipe import Lora
from tunelift.core.records import Prompt
from tunelift.engine import encoder_decoder, padding
from tunelift.engine.answers import Stopping, answer_prompts
from tunelift.engine.encoder_decoder import EncoderDecoderState, compare_with_single
from tunelift.engine.likelihood import supervised_logprobs
from tunelift.engine.loss import plan_step, step_loss, supervised_tokens
from tunelift.engine.refusal import RefusedError
from tunelift.engine.sampling import Sampling, sampler
from tunelift.models.adapters import add_lora

VOCABULARY = 64
STOP = 1
ARCHITECTURES = ["t5", "bart", "bart that says BOS first", "flan-t5"]
# Relative to the norm of each gradient.
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4}

T5 = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "dropout_rate": 0.0}
FLAN = {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
BART = {
    **{f"{part}_layers": 2 for part in ("encoder", "decoder")},
    **{f"{part}_attention_heads": 4 for part in ("encoder", "decoder")},
    **{f"{part}_ffn_dim": 64 for part in ("encoder", "decoder")},
    "d_model": 32,
    "max_position_embeddings": 64,
    "dropout": 0.0,
    "init_std": 0.2,
    "bos_token_id": 2,
    "decoder_start_token_id": STOP,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "t5": ("t5", T5),
    "flan-t5": ("t5", FLAN),
    "bart": ("bart", BART),
    "bart that says BOS first": ("bart", {**BART, "forced_bos_token_id": 2}),
    "longt5": ("longt5", {**T5, "local_radius": 4}),
    **{name: (name, T5) for name in ("mt5", "umt5", "switch_transformers")},
    **{name: (name, BART) for name in ("mbart", "pegasus", "m2m_100", "marian", "blenderbot", "blenderbot-small")},
    **{name: (name, BART) for name in ("mvp", "plbart", "pegasus_x", "bigbird_pegasus", "led")},
    "fsmt": ("fsmt", {**BART, "langs": ["en", "de"], "src_vocab_size": VOCABULARY, "tgt_vocab_size": VOCABULARY}),
}


@pytest.fixture(scope="module")
def make() -> Callable[..., Any]:
    def make(name: str, **changes: Any) -> Any:
        from transformers import AutoConfig, AutoModelForSeq2SeqLM

        kind, sizes = KINDS[name]
        tokens = {"vocab_size": VOCABULARY, "pad_token_id": 0, "eos_token_id": STOP, "decoder_start_token_id": 0}
        config = AutoConfig.for_model(kind, **{**tokens, **sizes, **changes})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(7)
            return AutoModelForSeq2SeqLM.from_config(config).eval()

    return make


TOKENS = st.integers(3, VOCABULARY - 1)


@st.composite
def prompt_lists(draw: st.DrawFn) -> list[Prompt]:
    made = []
    for number in range(draw(st.integers(1, 6))):
        question = draw(st.lists(TOKENS, min_size=1, max_size=12))
        answer = draw(st.lists(TOKENS, min_size=0, max_size=5))
        made.append(prompt(str(number), [*question, STOP], [*answer, STOP]))
    return made


def prompt(name: str, question: Sequence[int], answer: Sequence[int]) -> Prompt:
    return Prompt(name, "", (*question, *answer), (False,) * len(question) + (True,) * len(answer))


def parts(prompt: Prompt) -> tuple[list[int], list[int]]:
    border = prompt.supervised.index(True)
    return list(prompt.token_ids[:border]), list(prompt.token_ids[border:])


def library_loss(model: Any, prompts: Sequence[Prompt]) -> torch.Tensor:
    """The library's loss of one padded batch: the mean over all labels that are not masked."""
    sources, labels = zip(*map(parts, prompts), strict=True)
    token_ids = torch.full((len(prompts), max(map(len, sources))), 0)
    mask = torch.zeros_like(token_ids)
    targets = torch.full((len(prompts), max(map(len, labels))), -100)
    for row, (source, label) in enumerate(zip(sources, labels, strict=True)):
        token_ids[row, : len(source)] = torch.tensor(source)
        mask[row, : len(source)] = 1
        targets[row, : len(label)] = torch.tensor(label)
    return model(input_ids=token_ids, attention_mask=mask, labels=targets).loss


def step_gradients(model: Any, prompts: Sequence[Prompt], budget: int) -> tuple[float, dict[str, torch.Tensor]]:
    model.zero_grad()
    tokens = supervised_tokens(prompts)
    plan = plan_step(model, prompts, budget)
    loss = step_loss(model, prompts, plan, lambda loss: (loss / tokens).backward())
    return loss / tokens, gradients(model)


def gradients(model: Any) -> dict[str, torch.Tensor]:
    return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}


def assert_equal_gradients(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], tolerance: float) -> None:
    assert first.keys() == second.keys()
    scale = max(gradient.norm() for gradient in second.values())
    for name, gradient in second.items():
        # Where the exact gradient is zero, rounding leaves something the size of the others' last digits.
        assert (first[name] - gradient).norm() <= tolerance * max(gradient.norm(), 0.1 * scale), name


def widen(model: Any) -> Any:
    """In float64; the library computes T5's norms in float32 whatever the precision of the weights."""
    for module in model.modules():
        if type(module).__name__ == "T5LayerNorm":
            module.forward = partial(root_mean_square_norm, module)
    return model.double()


def with_adapter(model: Any) -> Any:
    model = add_lora(model, Lora(rank=2), 7)
    draw = torch.Generator().manual_seed(7)
    for name, weight in model.named_parameters():
        if "lora_B" in name:  # zero at the start, which would hide half of the adapter
            torch.nn.init.normal_(weight, std=0.1, generator=draw)
    return model


def root_mean_square_norm(module: Any, states: torch.Tensor) -> torch.Tensor:
    return module.weight * states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + module.variance_epsilon)


@pytest.mark.parametrize("architecture", ["t5", "flan-t5", "bart"])
@pytest.mark.parametrize(("dtype", "adapter"), [(torch.float64, False), (torch.float64, True), (torch.float32, False)])
def test_loss_and_gradients_equal_the_library_whatever_the_micro_batches(
    make: Any, architecture: str, dtype: torch.dtype, adapter: bool
) -> None:
    model, tolerance = make(architecture), TOLERANCE[dtype]
    if dtype is torch.float64:
        model = widen(model)
    if adapter:
        model = with_adapter(model)

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(prompt_lists(), st.sampled_from([1, 25, 10_000]))
    def holds(prompts: list[Prompt], budget: int) -> None:
        loss, found = step_gradients(model, prompts, budget)
        model.zero_grad()
        expected = library_loss(model, prompts)
        expected.backward()
        assert loss == pytest.approx(expected.item(), rel=min(tolerance, 1e-5))
        assert_equal_gradients(found, gradients(model), tolerance)
        measured = step_loss(model, prompts, plan_step(model, prompts, budget)) / supervised_tokens(prompts)
        assert measured == pytest.approx(expected.item(), rel=min(tolerance, 1e-5))

    holds()


def test_a_batch_of_eight_equals_eight_of_one(make: Any) -> None:
    model = widen(make("t5"))
    draw = np.random.default_rng(3)
    eight = [
        prompt(str(size), [*draw.integers(3, VOCABULARY, size), STOP], [*draw.integers(3, VOCABULARY, 9 - size), STOP])
        for size in range(1, 9)
    ]
    together = step_gradients(model, eight, 10_000)
    assert [len(group) for group in plan_step(model, eight, 10_000).groups] == [8]
    assert sorted(map(len, plan_step(model, eight, 1).groups)) == [1] * 8
    alone = step_gradients(model, eight, 1)
    assert together[0] == pytest.approx(alone[0], rel=1e-12)
    assert_equal_gradients(together[1], alone[1], 1e-9)


def plain_logprobs(model: Any, question: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
    """One prompt, without padding, without cache."""
    start, forced = model.config.decoder_start_token_id, model.generation_config.forced_bos_token_id
    begun = [start] if forced is None else [start, forced]
    written = torch.tensor([[*begun, *answer[:-1]]])
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([question]), decoder_input_ids=written, use_cache=False).logits[0]
    return logits.log_softmax(-1)[len(begun) - 1 :].gather(-1, torch.tensor(answer)[:, None])[:, 0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_changes_no_probability(make: Any, architecture: str) -> None:
    model = make(architecture)

    @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
    @given(prompt_lists())
    def holds(prompts: list[Prompt]) -> None:
        for given_prompt, found in zip(prompts, supervised_logprobs(model, prompts, 10_000), strict=True):
            np.testing.assert_allclose(found, plain_logprobs(model, *parts(given_prompt)), rtol=1e-4, atol=1e-5)

    holds()


def test_what_is_not_supervised_behind_the_prompt_is_read_by_the_decoder_but_not_scored(make: Any) -> None:
    model = make("bart")
    whole = prompt("a", [5, 6, STOP], [7, 8, 9, STOP])
    gap = Prompt("a", "", whole.token_ids, (False, False, False, True, False, True, False))
    all_tokens, (some,) = plain_logprobs(model, *parts(whole)), supervised_logprobs(model, [gap], 100)
    np.testing.assert_allclose(some, all_tokens[[0, 2]], rtol=1e-4)


def stopping(steps: int, strings: tuple[str, ...] = ()) -> Stopping:
    return Stopping(frozenset([STOP]), strings, steps, lambda ids: " ".join(map(str, ids)))


def library_answer(model: Any, question: list[int], steps: int) -> list[int]:
    """What `generate` says, without what the decoder begins with and the stop token."""
    forced = model.generation_config.forced_bos_token_id is not None
    limit = steps + forced
    ids = model.generate(torch.tensor([question]), max_new_tokens=limit, do_sample=False, num_beams=1)[0].tolist()
    answer = ids[1 + forced :]
    return answer[: answer.index(STOP)] if STOP in answer else answer


ITEMS = st.lists(
    st.tuples(
        st.lists(TOKENS, min_size=1, max_size=15),
        st.lists(st.lists(TOKENS, min_size=1, max_size=4), min_size=0, max_size=4),
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("together", ["many", "few"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_scores_and_answers_equal_the_library(
    make: Any, architecture: str, together: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make(architecture)
    if together == "few":
        monkeypatch.setattr(encoder_decoder, "READ_TOGETHER", 20)
        monkeypatch.setattr(padding, "COPIED_BYTES", 1 << 13)

    @settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
    @given(ITEMS)
    def holds(items: list[tuple[list[int], list[list[int]]]]) -> None:
        prompts, choices = [question for question, _ in items], [wanted for _, wanted in items]
        result = answer_prompts(model, prompts, choices, stopping(6), lambda done: None)
        for question, wanted, answer in zip(prompts, choices, result.answers, strict=True):
            expected = [plain_logprobs(model, question, choice).sum().item() for choice in wanted]
            assert answer.logprobs == pytest.approx(expected, rel=1e-4, abs=1e-4)
            assert answer.token_ids == library_answer(model, question, 6)
            assert answer.finish_reason == ("stop" if len(answer.token_ids) < 6 else "length")

    holds()


def test_the_encoder_runs_once_for_a_prompt_whatever_its_choices(make: Any) -> None:
    model = make("t5")
    runs = []
    model.get_encoder().register_forward_hook(lambda *_: runs.append(1))
    choices = [[3 + first, 3 + second] for first in range(20) for second in range(20)]
    (answer,) = answer_prompts(model, [[5, 6, 7, STOP]], [choices], stopping(4), lambda done: None).answers
    assert len(runs) == 1
    assert len(answer.logprobs) == 400
    for index in (0, 199, 399):
        expected = plain_logprobs(model, [5, 6, 7, STOP], choices[index]).sum().item()
        assert answer.logprobs[index] == pytest.approx(expected, abs=1e-4)


def test_an_adapter_answers_as_the_model_it_is_merged_into(make: Any) -> None:
    model = with_adapter(make("bart"))
    prompts, choices = [[5, 6, 7], [8, 9, 10, 11]], [[[4], [5, 6]], [[7, 8, 9]]]
    adapted = answer_prompts(model, prompts, choices, stopping(5), lambda done: None).answers
    plain = make("bart")
    merged = answer_prompts(model.merge_and_unload(), prompts, choices, stopping(5), lambda done: None).answers
    without = answer_prompts(plain, prompts, choices, stopping(5), lambda done: None).answers
    for first, second, other in zip(adapted, merged, without, strict=True):
        assert first.logprobs == pytest.approx(second.logprobs, abs=1e-4)
        assert first.token_ids == second.token_ids
        assert first.logprobs != pytest.approx(other.logprobs, abs=1e-2)


def test_a_stop_string_ends_an_answer_and_is_not_part_of_it(make: Any) -> None:
    model = make("bart")
    free = answer_prompts(model, [[5, 6, 7]], [[]], stopping(6), lambda done: None).answers[0]
    words = free.text.split()
    assert len(words) == 6
    answer = answer_prompts(model, [[5, 6, 7]], [[]], stopping(6, (words[2],)), lambda done: None).answers[0]
    assert (answer.finish_reason, answer.text) == ("stop", free.text[: free.text.index(words[2])])


def test_draws_of_an_answer_do_not_depend_on_its_neighbours(make: Any) -> None:
    model = make("t5")
    prompts = [[5, 6, 7], [8, 9, 10, 11], [12]]
    choose = sampler(Sampling(temperature=1.5, seed=3))
    together = answer_prompts(model, prompts, [[]] * 3, stopping(8), lambda done: None, choose).answers
    longer = answer_prompts(model, [*prompts, list(range(3, 30))], [[]] * 4, stopping(8), lambda done: None, choose)
    assert [answer.token_ids for answer in longer.answers[:3]] == [answer.token_ids for answer in together]
    other = sampler(Sampling(temperature=1.5, seed=4))
    changed = answer_prompts(model, prompts, [[]] * 3, stopping(8), lambda done: None, other).answers
    assert [answer.token_ids for answer in changed] != [answer.token_ids for answer in together]


@pytest.mark.parametrize("architecture", sorted(KINDS.keys() - {"fsmt"}))
def test_kinds_of_models_that_compute_the_same_side_by_side(make: Any, architecture: str) -> None:
    compare_with_single(make(architecture))


def test_a_model_that_reads_one_token_at_a_time_is_refused(make: Any) -> None:
    with pytest.raises(RefusedError):
        compare_with_single(make("fsmt"))


def test_prompts_go_on_in_the_order_in_which_they_were_read(make: Any) -> None:
    state = EncoderDecoderState(make("t5"))
    with torch.no_grad():
        state.read([3, 4], [[5, 6], [7]])
        with pytest.raises(ValueError, match=r"prompts \[3, 4\] go on together, not \[4, 3\]"):
            state.step([4, 3], [8, 9])


def test_lower_precision_is_compared_more_coarsely(make: Any) -> None:
    compare_with_single(make("t5").bfloat16())
    compare_with_single(make("bart").bfloat16())
