"""Heads to answers: logits of inputs, and what they say about each example."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tunelift.core import hardware
from tunelift.engine.modes import evaluation_mode
from tunelift.heads.alignment import tagged_entities
from tunelift.heads.decoding import decode_tags
from tunelift.heads.inputs import EntityRow, HeadInput, HeadInputs
from tunelift.heads.model import HeadModel
from tunelift.heads.settings import HeadConfig
from tunelift.tuning.loop import TOKEN_BUDGET

Logits = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeadPrediction:
    """What a head says about an example.

    Attributes:
        example_id: The example.
        value: A class; a list of labels; a number; or a list of ``[type, start, end, text]``, in characters, the end
            exclusive.
        probabilities: Of the classes or labels, in the order of the head's labels; empty for numbers and entities.
    """

    example_id: str
    value: str | float | list[str] | list[list[Any]]
    probabilities: tuple[float, ...] = ()


def predict_head(model: HeadModel, inputs: Sequence[HeadInput], token_budget: int | None = None) -> list[Logits]:
    """Logits of inputs, without dropout.

    Args:
        model: The model.
        inputs: Whose targets are not looked at.
        token_budget: Largest number of tokens that are computed together; by default what suits this machine.

    Returns:
        ``[readings, outputs]`` for each input.
    """
    logits: list[Logits] = [np.empty((0, 0))] * len(inputs)
    budget = token_budget or TOKEN_BUDGET[hardware.device()]
    with torch.inference_mode(), evaluation_mode(model):
        for group in model.plan(inputs, budget):
            chosen = [inputs[index] for index in group]
            parts = torch.split(model(chosen).double().cpu(), [len(item.readings) for item in chosen])
            for index, part in zip(group, parts, strict=True):
                logits[index] = part.numpy()
    return logits


def text_predictions(config: HeadConfig, inputs: Sequence[HeadInput], logits: Sequence[Logits]) -> list[HeadPrediction]:
    """What the logits of inputs with one reading say: all kinds but entities."""
    return [_prediction(config, item.example_id, of[0]) for item, of in zip(inputs, logits, strict=True)]


def _prediction(config: HeadConfig, example_id: str, logits: Logits) -> HeadPrediction:
    if config.kind == "regression":
        return HeadPrediction(example_id, float(logits[0] * config.deviation + config.mean))
    if config.kind == "labels":
        present = sigmoid(logits)
        chosen = [label for label, p in zip(config.labels, present, strict=True) if p >= config.threshold]
        return HeadPrediction(example_id, chosen, tuple(present.tolist()))
    probabilities = np.exp(log_softmax(logits))
    return HeadPrediction(example_id, config.labels[int(logits.argmax())], tuple(probabilities.tolist()))


def entity_predictions(
    config: HeadConfig, rows: Sequence[EntityRow], made: HeadInputs, logits: Sequence[Logits]
) -> list[HeadPrediction]:
    """The entities of texts: the most probable consistent tags of their units.

    Args:
        config: Of the head.
        rows: The texts; their ids differ.
        made: Their inputs.
        logits: Of these inputs.
    """
    windows: dict[str, list[Logits]] = defaultdict(list)
    for item, of in zip(made.inputs, logits, strict=True):
        windows[item.example_id].append(of)
    predictions = []
    for row, units in zip(rows, made.units, strict=True):
        tags: list[str] = []
        if units:
            tags = [config.outputs[tag] for tag in decode_tags(log_softmax(np.concatenate(windows[row.example_id])))]
        found = [[kind, start, end, row.text[start:end]] for kind, start, end in tagged_entities(units, tags)]
        predictions.append(HeadPrediction(row.example_id, found))
    return predictions


def best_threshold(logits: Sequence[Logits], targets: Sequence[Sequence[int]]) -> float:
    """The probability from which on labels are to be given, so that their micro-averaged F1 is the highest.

    Args:
        logits: ``[1, labels]`` for each validation input.
        targets: 0 and 1 for each label.

    Returns:
        In the middle between two probabilities that occur; 0.5 where no label occurs. Of equals the one nearest to 0.5.
    """
    present = sigmoid(np.concatenate(list(logits))).ravel()
    wanted = np.asarray(targets).ravel()
    if not wanted.sum():
        return 0.5
    order = np.argsort(-present, kind="stable")
    present, hits = present[order], np.cumsum(wanted[order])
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + wanted.sum())
    borders = np.append((present[:-1] + present[1:]) / 2, present[-1] / 2)
    possible = np.append(present[:-1] > present[1:], True)
    best = possible & (f1 >= f1[possible].max() - 1e-12)
    return float(borders[best][np.abs(borders[best] - 0.5).argmin()])


def sigmoid(logits: Logits) -> Logits:
    """Probabilities of labels that do not exclude each other."""
    return np.exp(-np.logaddexp(0.0, -logits))


def log_softmax(logits: Logits) -> Logits:
    """Log-probabilities of classes that exclude each other, along the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
