"""Whether test items were trained on: overlap with the user's own training data, and hints about the base model's.

The default thresholds of `overlap.find_overlaps`, measured on 12 English and Chinese data sets (tweets, reviews,
questions, passages, abstracts, titles), each with up to 100 planted copies of test items. To change a word is to
replace it, to delete it or to add one; in Chinese, whose words have about two characters, one character in 20 or 10
is changed.

    share of planted copies found                   mean    lowest of a data set
    as they are                                     1.00    1.00
    1 word in 10 changed                            0.93    0.86
    1 word in 5 changed                             0.60    0.53
    sentences or halves in another order            0.95    0.76
    between two other texts                         0.95    0.82
    likewise, 1 word in 10 changed                  0.79    0.62
    70% of the item, in one piece                   0.84    0.64
    paraphrased (65 by hand, English, MiniLM)       0.43    0.25

The lowest figures are those of texts of a few words. Of 3,178 items that were not planted 28 were found. Read one by
one, 17 have the same question, passage or message as a training row, and 11 are short questions of one pattern with
another content: with 5% of the items planted, 93% of those found are so rightly. Embeddings find 5 of 485 more, and
more against many rows on few subjects (of tweets 36 of 760; in intent detection, where the texts of one intent are
paraphrases, every third): look at what they find before you count it.

Runs of three words or six characters do better than the customary 8 to 13 words: of tweets and questions changed and
put between others 0.72 and 0.86 are found by these alone, and 0.31 each by runs of eight words; of items that were
not planted 0.05 and 0.01, against 0.03 and 0.01, most of them rightly.
"""
