"""Whether an output begins by refusing what was asked; English and Chinese, simplified and traditional.

Two things are told apart. To decline is not to want to or not to be allowed to help, as safety and policy make a model
do; the rules name what is declined - to help, to provide, to answer - so that "I can't help laughing" and "I cannot
find it in the text" are none. To refuse is that, or to say that the task cannot be done.

An output that refuses late, or by speaking of something else, is missed. Measured on 80,824 texts that were not meant
to refuse (answers to instructions, reviews, questions, sentences of corpora): `declines` finds 12, nine refusals among
10,929 answers to instructions and three users who say that they cannot answer. `refuses` finds six more answers, each
of which says what it cannot do; some go on to answer all the same.
"""

from __future__ import annotations

import re
import unicodedata

from tunelift.core.texts import QUOTES

# A refusal comes first; what is said later on is about something else.
BEGINNING = 240

_SORRY = (
    r"(?:(?:(?:(?:i am|i'm|we are|we're) )?(?:(?:very|so|really|truly|deeply|terribly) )?sorry|(?:i am|i'm) afraid"
    r"|(?:my )?(?:sincere )?apologies|(?:i|we) (?:sincerely )?apologi[sz]e(?: for (?:the|any) \w+)?"
    r"|unfortunately|regrettably)(?: that)?(?:[,.:;!]| -| –| —)* (?:(?:but|however),? )?)"
)
_MACHINE = (
    r"(?:as (?:an? )?(?:(?:[\w-]+,? ){0,4}?(?:(?:ai|artificial intelligence)(?: language)?"
    r"(?: model| assistant| system| chatbot| program)?|language model|chatbot)"
    r"|(?:helpful|harmless|responsible|virtual|digital) assistant)"
    r"(?=,| i | created| developed| trained| designed)[^.!?]{0,60}?[, ] ?"
    r"(?=(?:i|unfortunately|regrettably|sorry|it|that|this)\b))"
)
_OPENING = (
    rf"(?:{_SORRY}|{_MACHINE}|(?:oh|hello|hi|no|well|okay|ok|hmm)[,.!]? "
    r"|(?:i (?:understand|appreciate|see)\b[^.!?]{0,80}|thank you for [^.!?]{0,60})[,.] (?:(?:but|however),? )?)"
)
_CANNOT = (
    r"(?:i(?: (?:simply|really|just|also|must|still|absolutely))? (?:can ?not|can't|will not|won't)"
    r"(?: (?:directly|currently|ethically|legally|safely|really|in good conscience|(?:and|or) will not))*"
    r"|(?:i am|i'm) (?:(?:unable|forbidden|prohibited)(?: to| from)?"
    r"|not (?:able|allowed|permitted|willing|designed|programmed|going|in a position) to)"
    r"|(?:(?:i am|i'm) not|i (?:do not|don't|would not|wouldn't) feel) comfortable) (?:be able to )?"
)
_ANSWER = r"answer(?:ing)?\b(?! (?:from|based|because|without)\b)|respond(?:ing)? to\b|comply(?:ing)?\b"
# What gives a number or the news without being exact is an answer.
_PROVIDE = (
    r"provid(?:e|ing)\b(?! (?:you (?:with )?)?(?:an? |the )?"
    r"(?:exact|precise|specific|definitive|real-time|up-to-date|current|more)\b)"
)
_HELP = (
    rf"(?:(?:help|assist)(?:ing)?(?= you\b| with\b| here\b| in\b|[,.!]|$)|{_ANSWER}|{_PROVIDE}"
    r"|(?:fulfil?l|offer|discuss)(?:ing)?\b|support(?:ing)?\b(?! (?:this|that|the|them|him|her|my)\b)"
    r"|(?:creat|generat|writ|promot|engag|condon|encourag|facilitat|endors|participat|produc)(?:e|ing)\b"
    r"|complet(?:e|ing) (?:this|that|your|the (?:task|request))\b"
    r"|shar(?:e|ing) (?:that|this|any|such|personal|private|confidential)\b|(?:compose|draft)\b"
    r"|(?:describ|giv)(?:e|ing) (?:you )?(?:how to|ways|advice|instructions|details|an answer"
    r"|(?:that |this |any |such )?information)\b"
    r"|(?:teach(?:ing)?|tell(?:ing)?) you\b|explain(?:ing)? how to\b|do(?:ing)? (?:that|this|so)\b"
    r"|recommend(?:ing)? (?:that|any|ways)\b|(?:access|disclose|reveal) (?:personal|private|confidential)\b)"
)
_TO_HELP = r"to (?:answer|help|assist|provide|respond|generate|create|write|comply)\b"
_WRONG = r"(?:illegal|unethical|wrong|inappropriate|not appropriate|not ethical|harmful|dangerous)"
_DECLINING = (
    rf"{_OPENING}{{0,3}}{_CANNOT}{_HELP}",
    rf"{_SORRY}{_MACHINE}?i (?:can ?not|can't|will not|won't)(?: (?:do it|share|support)\b|[.!]|$)",
    rf"{_OPENING}{{0,3}}i (?:(?:must|will|would|(?:will |would )?have to|need to) )?(?:respectfully |politely )?"
    rf"(?:decline|refuse)(?: {_TO_HELP}| (?:this|that|your|the|such an?) request\b|[.,!]|$)",
    rf"{_OPENING}{{1,3}}(?:that|this)(?:'s| is)? (?:\w+ ){{0,6}}?(?:not something|nothing) (?:that )?"
    r"i (?:can|will|am able to)\b",
    rf"(?:it|this|that)(?:'s| is| would be) {_WRONG}(?:,? (?:and|or) {_WRONG})?[^.!?]{{0,100}}[.,;] "
    rf"(?:(?:so|and|therefore|thus),? )?{_CANNOT}{_HELP}",
    rf"(?:it|this|that)(?:'s| is| would be) {_WRONG}(?: for me)? {_TO_HELP}",
    r"(?:it|this|that)(?:'s| is| would be) against my (?:guidelines|programming)\b",
)
_TASK = (
    r"(?:determine|classify|categori[sz]e|analy[sz]e|summari[sz]e|translate|predict|express (?:personal )?opinions?)\b"
)
_FAILING = (
    rf"{_OPENING}{{0,3}}{_CANNOT}{_TASK}",
    rf"{_OPENING}{{0,3}}i (?:could not|couldn't) (?:{_ANSWER}|{_PROVIDE}|{_TASK})",
    rf"{_SORRY}?(?:unable|not able|not allowed|not permitted) to (?:{_HELP}|{_TASK})",
    rf"{_SORRY}{_MACHINE}?{_CANNOT}(?:process|access|open|browse)\b",
    # "As an AI, I have no favourite city, but I can name some" is an answer.
    rf"{_SORRY}?{_MACHINE}(?:{_CANNOT}|i (?:do not|don't)\b)(?![^.!?]{{0,120}}, but (?:i can|here)\b)",
)

# The characters of the Chinese rules that are written otherwise in traditional texts.
_SIMPLIFIED = str.maketrans(
    "對話憾遺實現暫時無沒辦絕為給幫這該個問題請協滿處創編寫討論執斷確譯與響應訪發類談還學會據規關內進過復覆們準繼續須願勵傳",
    "对话憾遗实现暂时无没办绝为给帮这该个问题请协满处创编写讨论执断确译与响应访发类谈还学会据规关内进过复复们准继续须愿励传",
)
_PUNCTUATION = str.maketrans("’‘`。、", "'''.,")  # the rest is that of NFKC, which makes a full-width comma ","

_ZH_SORRY = (
    "(?:我?们?(?:很|非常|十分|实在|真的?|深感|深表|感到)*(?:抱歉|对不起|不好意思|遗憾|歉意)"
    "(?:地?(?:告诉|通知)[您你])?[,.!:;~ ]*(?:但是?|不过|可是)?[, ]*)"
)
_ZH_MACHINE = "(?:作为[^,.!?]{0,16}?(?:ai|人工智能|语言模型|大模型|助手|助理|机器人|程序|模型)[^,.!?]{0,16}[, ]*)"
_ZH_SELF = "(?:我们?|本(?:模型|助手|人)|小助手)"
_ZH_SUBJECT = (
    f"(?:[你您]好[,!. ]*)?(?:{_ZH_SORRY}?{_ZH_MACHINE}?{_ZH_SORRY}?{_ZH_SELF}|{_ZH_SORRY}{_ZH_MACHINE}?"
    f"|{_ZH_MACHINE}{_ZH_SORRY}?|{_ZH_SORRY}?(?:[这此该]个?(?:问题|话题|请求),?|(?:根据|依据|按照)[^,.!?]{{0,12}}(?:法律|法规|政策|规定),?){_ZH_SELF}?)"
)
_ZH_ADVERB = "(?:也|还是|真的|恐怕|目前|现在|暂时|实在|必须|是|都|并|绝对)*"
_ZH_UNABLE = f"{_ZH_ADVERB}(?:不能够?|无法|没有?办法|未能)"
_ZH_UNWILLING = f"{_ZH_ADVERB}(?:不可以|不会|不便|不应该?|不愿意?|不得|不支持|不予|不方便|拒绝)"
_ZH_FOR_YOU = (
    "(?:继续|直接|准确|在此|再|随意|擅自|地)*"
    "(?:[为向给帮替对就与](?:[您你]|任何人|这个?|该|此)[^,.!?]{0,12}?|(?:根据|按照?)[您你]的(?:要求|请求),?)?(?:进行|任何|相关)*"
)
# "I cannot accept this dish" is a review, so that accepting and agreeing are not among these.
_ZH_HELP = (
    "(?:提供|回[答复应]|解答|作答|答复|协助|帮助|帮(?:[您你]|忙|到)|满足|支持|生成|创作|参与|讨论|谈论|给[出到]|执行|教(?:[您你]|别人)"
    "|告诉[您你]|[撰编]写|写(?=[这那此一]|任何|涉及)|完成(?=[您你这该此])|鼓励|透露|配合|遵从|宣扬|传播|分享|做(?=[这到]|那样))"
    "(?!(?:一个)?(?:准确|具体|确切|精确|实时|最新|更多))"
)
_ZH_TASK = "(?:完成|处理|判[断定]|确定|翻译|响应|访问|获取|分析|发表|分类)"
_ZH_DECLINING = (
    f"{_ZH_SUBJECT}(?:{_ZH_UNABLE}|{_ZH_UNWILLING}){_ZH_FOR_YOU}{_ZH_HELP}",
    f"{_ZH_SORRY}{_ZH_MACHINE}?[这您你该此][^.!?]{{0,40}}?[,. ]*(?:因此|所以)?,?{_ZH_SELF}?"
    f"(?:{_ZH_UNABLE}|{_ZH_UNWILLING}){_ZH_FOR_YOU}{_ZH_HELP}",
    f"{_ZH_SORRY}?{_ZH_MACHINE}?我(?:必须|不得不|只能)?拒绝(?:回答|提供|协助|帮助|参与|执行|[您你]的|[这该]个?请求)",
    f"(?:这是|这种行为是?|这样做是?|该行为是?|这属于|您的请求)[^.!?]{{0,24}}(?:违法|非法|不道德|犯罪|违反)[^.!?]{{0,20}}[,.]"
    f"(?:因此|所以)?,?{_ZH_SELF}?(?:{_ZH_UNABLE}|{_ZH_UNWILLING}){_ZH_FOR_YOU}{_ZH_HELP}",
)
_ZH_FAILING = (
    f"{_ZH_SUBJECT}{_ZH_UNABLE}{_ZH_FOR_YOU}{_ZH_TASK}",
    f"{_ZH_SORRY}我?还没?有?学会",
)
_DECLINED = re.compile("|".join([*_DECLINING, *_ZH_DECLINING]))
_FAILED = re.compile("|".join([*_FAILING, *_ZH_FAILING]))
# What is not known is not declined.
_UNKNOWN = re.compile(
    r"\b(?:in|from) the (?:text|passage|article|context|document|given)|does(?:n't| not) (?:say|mention|contain)"
    "|根据(?:文章|原文|文本|上文|所给|给定|提供的|现有)|(?:文中|原文|文章)(?:没有|未|并未)(?:提|说)"
)


def declines(output: str) -> bool:
    """Whether an output begins by declining to help, as for reasons of safety or policy.

    Args:
        output: What a model said.
    """
    beginning = _beginning(output)
    return bool(_DECLINED.match(beginning)) and not _UNKNOWN.search(beginning)


def refuses(output: str) -> bool:
    """Whether an output begins by declining to help, or by saying that the task cannot be done.

    Args:
        output: What a model said.
    """
    beginning = _beginning(output)
    return bool(_DECLINED.match(beginning) or _FAILED.match(beginning))


def _beginning(output: str) -> str:
    """In the form in which the rules are written: half width, small letters, simplified characters, single spaces."""
    folded = unicodedata.normalize("NFKC", output[: 2 * BEGINNING]).casefold()
    folded = folded.translate(_PUNCTUATION).translate(_SIMPLIFIED)
    return " ".join(folded.lstrip(QUOTES + "#-—")[:BEGINNING].split())
