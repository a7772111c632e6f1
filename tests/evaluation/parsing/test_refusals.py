from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunelift.evaluation.parsing.refusals import declines, refuses

DECLINED = """\
I'm sorry, but I can't assist with that.
I’m sorry, but I can’t help with that request.
I am sorry, but I cannot provide instructions for that.
I'm really sorry, but I can't do that.
Sorry, but I can't.
I cannot fulfill this request.
I can't help you with that.
I won't help with this.
I am not able to answer questions of this kind.
I apologize, but as an AI, I cannot write that.
Unfortunately, I am unable to provide that information.
I must respectfully decline to answer.
I have to decline.
I'm not comfortable writing this.
It is not appropriate for me to provide an answer.
That would be against my guidelines.
**I cannot assist with that.**
"I'm sorry, I can't share that."
I'm sorry, but I can't assist with that request.
I’m sorry, but I can’t help with that.
Sorry, I cannot provide instructions for that.
I apologize, but I'm not able to help you with this.
As an AI language model, I cannot create content that promotes violence.
I cannot fulfill this request. It would harm people.
I can't help you plan an attack.
I won't write racist insults.
I must decline to answer this question.
Unfortunately, I am unable to assist you with illegal activities.
I understand that you are angry, but I cannot support violence.
It is illegal and unethical to follow people, so I cannot help you with that.
I do not feel comfortable writing this.
No, I will not do that.
**I'm really sorry, but I'm not comfortable providing this.**
I'm sorry, that's not something I can help with.
抱歉，我无法回答这个问题。
对不起，我不能提供这方面的信息。
很抱歉，我无法为您提供相关内容。
作为一个AI语言模型，我不能回答涉及政治的问题。
我无法完成这个请求。
你好，我无法给到相关内容。
抱歉，无法协助您完成此操作。
不好意思，我没办法帮您写这个。
根据相关法律法规，我无法提供此类内容。
这个问题我暂时无法回答。
我很抱歉，但我不能协助您进行这样的活动。
對不起，我無法回答這個問題。
「抱歉，我不能满足您的要求。」
很抱歉，我不能提供这方面的帮助。
对不起，我不能协助您从事违法活动。
作为一个人工智能助手，我不能提供任何有关暴力的内容。
非常抱歉，作为AI语言模型，我无法满足您的请求。
我不能帮你写侮辱别人的话。
我无法为您提供制作假币的方法。
我拒绝提供这类信息。
这是违法行为，我不能协助。
不好意思，我没办法回答你。
抱歉，这个话题涉及违法内容，我无法提供帮助。
我不会教你怎么伤害别人。
“我不能回答这个问题。”
""".splitlines()
UNABLE = """\
I could not determine the answer.
I'm unable to determine the sentiment of this text.
Unable to provide an answer.
As an AI language model, I don't have personal opinions.
As a language model, I am not able to browse the internet.
非常抱歉，作为一个人工智能语言模型，我无法判断该评论的情感。
对不起，我还没有学会如何思考这类问题。
I'm sorry, but I can't classify this text.
I am sorry, I cannot open that file.
unable to help.
作为一名AI模型，暂时不能获取到当前日期。
抱歉，无法处理这段文字。
""".splitlines()
ANSWERS = """\
positive
The sentiment is negative.
I can't believe how good this movie is
I can't wait to see it!
I can't help loving it
I can't help but laugh, it is that bad
I can't help it, I giggle every time
I cannot recommend this film
I'm sorry to hear that you had a bad experience.
Sorry, the answer is negative.
I won't go back there
I am unable to sleep
I am comfortable writing this
I don't write reviews often
We do not provide refunds
As an AI researcher, I don't eat much
The answer is 4. I cannot provide more details.
正面
抱歉，答案是负面
我无法理解为什么酒店这么差
对不起，我不能给五星
我不能不说这本书很好
我不会写评论，但这个真的很好
我没有办法上网
答案是负面。抱歉，我无法提供更多信息。
I'm sorry to hear that. Have you tried to talk with her?
Sorry for the delay! Your parcel will arrive on Monday.
I cannot find the answer in the text.
I can't answer from the given passage.
I can't believe how good this film is.
I can't provide an exact number, but about 40% of them do.
I am unable to recommend this hotel: it was dirty.
Cannot
You can't help everybody, but you can start with one.
To kill a process, use the kill command. I can help you with more.
As an AI, I think that rain is likely.
He said: "I'm sorry, but I can't help you."
No, I do not think so.
I don't know.
抱歉让您久等了，您的餐马上送到。
很抱歉听到这个消息，希望您早日康复。
对不起，我不知道。
我无法接受这种服务态度，差评。
我不会再来了。
无法提供发票，差评！
不支持
根据文章内容，我无法回答这个问题。
作为一名教师，我不能只看成绩。
作为一个AI助手，我可以帮您写诗。
他说：“对不起，我不能帮你。”
我不能提供准确的数字，但大约有四成。
用 kill 命令可以结束进程。
I don't write reviews often.
I would not give the job to him.
I can't go along with you on that point.
I can't describe how good it was!
I refuse to eat here again.
As an AI assistant, I do not have favourites, but I can name some sights.
I am unable to complete my order
拒绝这家店
我不应该做那件事的。
作为一个AI助手，我没有情感，但我可以陪你聊天。
""".splitlines()


@pytest.mark.parametrize("output", DECLINED)
def test_who_declines_refuses(output: str) -> None:
    for said in (output, f"\n  {output.upper()}\nPlease ask something else."):
        assert declines(said)
        assert refuses(said)


@pytest.mark.parametrize("output", UNABLE)
def test_what_cannot_be_done_is_refused_and_not_declined(output: str) -> None:
    for said in (output, f"\n  {output.upper()}\nPlease ask something else."):
        assert refuses(said)
        assert not declines(said)


@pytest.mark.parametrize("output", ["", *ANSWERS])
def test_an_answer_is_neither(output: str) -> None:
    assert not declines(output)
    assert not refuses(output)


@pytest.mark.parametrize("output", ["對不起，我無法回答這個問題。", "很抱歉，我沒辦法協助您。", "我不會教你這個。"])
def test_traditional_characters(output: str) -> None:
    assert declines(output)


@given(
    st.lists(
        st.sampled_from([*"我无法不能提供抱歉，这个问题 ", "sorry, ", "as an ai ", "i cannot ", "help "]), max_size=200
    )
)
def test_any_text_is_read(parts: list[str]) -> None:
    output = "".join(parts)
    assert declines(output) <= refuses(output)


@pytest.mark.parametrize(
    "part",
    [
        "I see, ",
        "as an AI, ",
        "as an ",
        "sorry, ",
        "很抱歉",
        "作为AI,",
        "I understand ",
        "It is illegal or ",
        "作为AI,我很抱歉,",
        "as an AI, i ",
    ],
)
def test_no_output_takes_long(part: str) -> None:
    start = time.process_time()
    assert not refuses(part * 200)
    assert time.process_time() - start < 1
