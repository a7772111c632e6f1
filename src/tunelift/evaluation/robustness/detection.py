"""Prompt injections inside a user's own data: texts that speak to the model that reads them.

Conservative: a pattern needs both an order and what only a model has (instructions, a prompt, a role, control tokens),
so that a text about ignoring people or forgetting things is not counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from tunelift.evaluation.robustness.word_lists import read_table

LONGEST = 120  # of an excerpt
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")

# Words that patterns share.
EARLIER = "(?:previous|prior|above|preceding|earlier|foregoing|original|initial|existing|former)"
ORDERS = "(?:instructions?|prompts?|rules|directions|directives?|commands?|guidelines|guardrails)"
WHICH = r"(?:(?:all|any|every|each|the|your|my|our|these|those|of|other)\s+){0,4}"
DROP = "(?:ignore|disregard|forget|override|overrule|bypass|discard|neglect)"
SAY = "(?:answer|respond|reply|output|print|write|say|return|translate|tell)"
MODEL = r"(?:an?\s+)?(?:unrestricted |uncensored |helpful |new )?(?:ai|chatbot|language model|llm|gpt|dan)\b"
HERE = (
    r"(?:(?:above|foregoing)(?:\s\w+)?|rest of (?:the|this|that)\s\w+|(?:this|other)\s\w+"
    "|instructions|data|content|text)"
)
FORGET = "(?:忽略|无视|忘记|忘掉|忽视|抛开|(?:不要|不用|不必|别|请勿)(?:理会|管|理))(?:掉|了|你)?"
KEEP = "(?:不要|不必|不用|无需|停止|拒绝|请勿|别)再?(?:遵守|遵循|遵从|服从|执行)"
MATTER = "(?:指令|指示|提示词?|要求|规则|命令|设定|任务|说明|约束|限制)"
BEFORE = "(?:以上|上面|上述|之前|前面|先前|此前|前文|原来|原有|原先)"
EVERY = "(?:所有|全部|一切|任何)"
START = r"(?:^|[.!?:。！？：\n]\s*)"

PATTERNS: dict[str, Sequence[str]] = {
    "override": (
        rf"\b{DROP}\s+{WHICH}(?:{EARLIER}|system|safety)(?:\s+(?:and|or)\s+\w+)?\s+(?:\w+\s+)?{ORDERS}\b",
        rf"\b{DROP}\s+{WHICH}{ORDERS}\s+(?:\w+\s+){{0,3}}?(?:above|before|given|earlier|previously|so far)\b",
        rf"\b{DROP}\s+{WHICH}{HERE}[,.;]?\s+(?:(?:and|then|just|instead|only)\s)*{SAY}\b",
        rf"\b{DROP}\s+(?:everything|anything|all)\s+(?:that\s)?you\s(?:were|have been|are)\s(?:told|instructed)\b",
        rf"\b(?:do not|don't|stop)\s(?:follow|obey)(?:ing)?\s+{WHICH}(?:{EARLIER}\s+)?{ORDERS}\b",
        rf"\b(?:{EARLIER}\s+{ORDERS}|{ORDERS}\sabove)\s+(?:are|is|were|was)\s+(?:\w+\s+)?(?:outdated|void|invalid|obsolete)\b",
        rf"{START}new\s+{ORDERS}\s*:",
        rf"\bfrom now on,?\s+(?:you\s(?:will|must|should|shall)\s)?(?:only\s|always\s)?(?:{SAY}|act as|pretend)\b",
        rf"{FORGET}{BEFORE}的?{EVERY}?的?(?:{MATTER}|内容|文字|文本|对话)",
        rf"{FORGET}(?:你|当前|系统|{EVERY})(?:的|当前|系统|{EVERY})*(?:指令|提示词|设定|任务)",
        rf"{KEEP}{BEFORE}的?{EVERY}?{MATTER}",
        rf"{BEFORE}的?{EVERY}?{MATTER}(?:已经?|都|全部)*(?:作废|无效|失效|取消)",
        rf"{START}新的?(?:指令|指示|系统提示)\s*:",
        r"从现在(?:开始|起),?\s*(?:你|所有问题|无论|不管|只能?|必须|一律).{0,8}(?:回答|输出|回复|扮演)",
    ),
    "role": (
        rf"\byou are (?:now|no longer) (?:{MODEL}|an? assistant\b)",
        rf"\b(?:pretend (?:to be|that you are|you are)|act as(?: if you (?:are|were))?) {MODEL}",
        r"\b(?:enter|enable|activate|switch to|you are now in) (?:developer|dan|jailbreak|maintenance|debug) mode\b",
        rf"\bif you are {MODEL}",
        r"\bnote (?:to|for) (?:the |any |all )?(?:ai|llm|language model|automated|chatbot)s?\b",
        r"如果你是(?:一个|一名|一款)?(?:AI|人工智能|大模型|语言模型|聊天机器人)",
        r"你现在(?:是|扮演|将扮演)(?:一个|一名|一款)?.{0,12}(?:助手|AI|人工智能|聊天机器人|语言模型|DAN|开发者模式)",
    ),
    "authority": (
        rf"{START}(?:system(?:\s(?:message|prompt|override))?|note from the developers?)\s*:\s*\w",
        r"\bthe only (?:correct|valid|allowed|acceptable) (?:output|response|reply) is\b",
        rf"{START}(?:系统(?:消息|提示|指令|通知)|开发者(?:说明|指令|消息))\s*:",
        r"唯一(?:正确|有效|允许)的(?:输出|回复)是",
    ),
    "leak": (
        r"\b(?:your|the) (?:system prompt|(?:initial|starting|hidden|secret) (?:system )?(?:prompt|instructions))\b",
        r"\b(?:the|your) (?:prompt|instructions) you were given\b",
        r"你的(?:系统提示|系统指令|初始指令|初始提示|隐藏指令|提示词)",
        r"(?:输出|显示|透露|告诉我|重复|打印|泄露|展示|说出).{0,6}(?:系统提示词?|系统指令|初始指令|隐藏指令|提示词)",
    ),
    "markup": (
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id|begin_of_text)\|>",
        r"\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>",
        r"(?:^|\n|\s)#{2,4}\s*(?:system|instruction|end of task|任务结束|指令)\b",
    ),
}
# No pattern matches a lower-case text that has none of these; most texts have none, and to look for them is quick.
SIGNS = (
    *("instruction", "prompt", "rules", "directi", "command", "guideline", "guardrail"),
    *("ignore", "disregard", "forget", "override", "overrule", "bypass", "discard", "neglect", "from now on"),
    *("you are now", "you are no longer", "if you are", "pretend", "act as", " mode", "note to", "note for"),
    *("system", "note from", "the only ", "<|", "inst]", "sys>>", "_of_turn>", "##"),
    *("以上", "上面", "上述", "之前", "前面", "先前", "此前", "前文", "原来", "原有", "原先"),
    *("指令", "指示", "提示", "设定", "任务", "从现在", "如果你是", "你现在", "系统", "开发者", "唯一"),
)
# The name of a group tells the kind.
DETECTOR = re.compile(
    "|".join(f"(?P<{kind}>{'|'.join(patterns)})" for kind, patterns in PATTERNS.items()), re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Found:
    """One injection.

    Attributes:
        kind: "override", "authority", "role", "leak" or "markup".
        excerpt: What gave it away.
    """

    kind: str
    excerpt: str


def find_injections(text: str) -> list[Found]:
    """The injections in a text, also where full-width, invisible or look-alike characters disguise them."""
    plain = _plain(text)
    if not any(map(plain.lower().__contains__, SIGNS)):
        return []
    return [Found(str(found.lastgroup), " ".join(found[0].split())[:LONGEST]) for found in DETECTOR.finditer(plain)]


def scan(texts: Iterable[str]) -> dict[int, list[Found]]:
    """The texts that hold injections, by their positions."""
    found = ((position, find_injections(text)) for position, text in enumerate(texts))
    return {position: injections for position, injections in found if injections}


def _plain(text: str) -> str:
    """Without disguise: half width, Latin for Cyrillic look-alikes, nothing invisible, single spaces."""
    folded = text
    if not text.isascii():
        folded = INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).translate(_latin())
    return re.sub(" ?\n[ \n]*", "\n", re.sub(r"[^\S\n]+", " ", folded))


@cache
def _latin() -> dict[int, str]:
    """The letters that look like Latin ones; the Turkish ones count as i, which patterns take them for, too."""
    return {ord("ı"): "i", ord("İ"): "I"} | {
        ord(other): letter for letter, *others in read_table("lookalikes.en") for other in others if not other.isascii()
    }
