#!/usr/bin/env python3
"""Writes tests/golden/sparse: what scikit-learn, bm25s and Perl say of texts.

make_golden_sparse.py KOREAN.csv BANKING.csv tests/golden/sparse
Needs scikit-learn, scipy, bm25s, and perl for words and sentences by UAX #29.
Texts: 40 questions of songys/Chatbot_data (MIT), 40 of PolyAI's Banking77
(CC-BY-4.0), and some of our own where characters are unusual.

sparse.json   {texts, cases: [{name, options, texts: how many, terms, rows}]}
bm25.json     {texts, queries, variants: {name: [[[document, score]...]...]}}
breaks.json   {texts: [{text, words, sentences}]}
"""
import csv
import json
import subprocess
import sys

import bm25s
import numpy as np
from sklearn.feature_extraction.text import (CountVectorizer,
                                             HashingVectorizer,
                                             TfidfVectorizer)

OWN = [
    "Straße ÉCOLE naïve café résumé ﬁn Ångström ½ ² x²",
    "İstanbul ΟΔΥΣΣΕΥΣ ΑΣ Σ ΣΑΣ. ὈΔΥΣΣΕΎΣ Ⅷ ⅷ Ⓐ",
    "snake_case __init__ 3.14 1,000 don't O'Neill e-mail a b c",
    "ｆｕｌｌ ｗｉｄｔｈ カタカナ ひらがな 漢字 漢字かな交じり文",
    "한글 한글 ㅋㅋㅋ 각각각",
    "emoji 👍🏽 👨‍👩‍👧 🇰🇷🇺🇸 tab\tand  two\u00a0\u3000spaces\u2028line",
    "نص عربي مع حركات مُحَمَّد עברית ש״ח हिन्दी ไทย",
    "", "   ", "a", "aa",
    "one two three two one two",
]

CASES = [
    ("count", CountVectorizer, {}, None),
    ("case", CountVectorizer, {"lowercase": False}, None),
    ("unicode_accents", CountVectorizer, {"strip_accents": "unicode"}, None),
    ("ascii_accents", CountVectorizer, {"strip_accents": "ascii"}, None),
    ("bigrams", CountVectorizer, {"ngram_range": (1, 2)}, 40),
    ("only_trigrams", CountVectorizer, {"ngram_range": (2, 3)}, 30),
    ("limits", CountVectorizer, {"min_df": 2, "max_df": 0.1}, None),
    ("fraction", CountVectorizer, {"min_df": 0.05, "max_df": 6}, None),
    ("binary", CountVectorizer, {"binary": True}, None),
    ("stop", CountVectorizer,
     {"stop_words": ["the", "my", "to"], "ngram_range": (1, 2)}, 30),
    ("char", CountVectorizer, {"analyzer": "char", "ngram_range": (1, 3)}, 16),
    ("char_wb", CountVectorizer,
     {"analyzer": "char_wb", "ngram_range": (2, 5)}, 16),
    ("tfidf", TfidfVectorizer, {}, None),
    ("tfidf_sublinear", TfidfVectorizer,
     {"sublinear_tf": True, "norm": "l1", "smooth_idf": False}, None),
    ("tfidf_plain", TfidfVectorizer,
     {"use_idf": False, "norm": None, "sublinear_tf": True}, 20),
    ("hash", HashingVectorizer, {"n_features": 64}, 20),
    ("hash_positive", HashingVectorizer,
     {"n_features": 1000, "alternate_sign": False, "norm": None,
      "ngram_range": (1, 2)}, 20),
]


def column(path, name, count):
    with open(path, encoding="utf-8", newline="") as file:
        return [row[name] for _, row in zip(range(count),
                                            csv.DictReader(file))]


def cases(texts):
    for name, kind, options, count in CASES:
        vectorizer = kind(**options)
        used = texts if count is None else texts[:count]
        matrix = vectorizer.fit_transform(used).tocsr()
        matrix.sort_indices()
        rows = [[matrix.indices[a:b].tolist(),
                 [float(f"{v:.9g}") for v in matrix.data[a:b]]]
                for a, b in zip(matrix.indptr, matrix.indptr[1:])]
        terms = []
        if kind is not HashingVectorizer:
            terms = vectorizer.get_feature_names_out().tolist()
        yield {"name": name,
               "options": {k: list(v) if isinstance(v, tuple) else v
                           for k, v in options.items()},
               "texts": len(used), "columns": matrix.shape[1],
               "terms": terms, "rows": rows}


def bm25(texts, queries):
    tokens = bm25s.tokenize(texts, stopwords=None, show_progress=False)
    asked = bm25s.tokenize(queries, stopwords=None, show_progress=False,
                           return_ids=False)
    variants = {}
    for method in ["lucene", "robertson", "atire", "bm25l", "bm25+"]:
        index = bm25s.BM25(method=method, k1=1.2, b=0.7, delta=0.6)
        index.index(tokens, show_progress=False)
        all_hits = []
        for query in asked:
            ids = index.get_tokens_ids(query)
            scores = np.asarray(index.get_scores_from_ids(ids), np.float64)
            # Documents without a term of the query are no hits.
            with_term = [i for i, words in enumerate(tokens.ids)
                         if set(words) & set(ids)]
            order = sorted(with_term, key=lambda i: (-scores[i], i))[:10]
            all_hits.append([[i, float(f"{scores[i]:.7g}")] for i in order])
        variants[method] = all_hits
    return variants


def breaks(texts):
    script = r"""
use utf8; use open qw(:std :utf8); use JSON::PP;
local $/; my $texts = decode_json(do { binmode STDIN; <STDIN> });
my @out;
for my $text (@$texts) {
  my @words = grep { /[\p{L}\p{N}]/ } split /\b{wb}/, $text;
  my @sentences = split /\b{sb}/, $text;
  push @out, { words => \@words, sentences => \@sentences };
}
binmode STDOUT, ":raw"; print encode_json(\@out);
"""
    done = subprocess.run(["perl", "-e", script], check=True,
                          input=json.dumps(texts).encode(),
                          capture_output=True)
    return [{"text": text, **each}
            for text, each in zip(texts, json.loads(done.stdout))]


def write(name, value):
    with open(f"{sys.argv[3]}/{name}.json", "w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


korean = column(sys.argv[1], "Q", 40)
banking = column(sys.argv[2], "text", 40)
texts = OWN + [t for pair in zip(korean, banking) for t in pair]
write("sparse", {"texts": texts, "cases": list(cases(texts))})
documents = banking + korean + [b + " " + k for b, k in zip(banking, korean)]
queries = ["card", "my new card", "the card the card arrived", "how do I",
           korean[3], korean[7] + " " + banking[2], "zzz card", "qqqq",
           " ".join(banking[:3])]
write("bm25", {"texts": documents, "queries": queries,
               "variants": bm25(documents, queries)})
write("breaks", breaks(OWN[:7] + OWN[9:10] + [
    "Mr. Smith went to D.C. on Jan. 5. He paid $3.50! \"Really?\" he asked.",
    "A sentence. another one (in parentheses.) Next… Yes.\nNew line; here",
    "U.S.A. is 3.4 times larger. 안녕하세요. 반갑습니다! 네? 그래요.",
    "e.g. this, i.e. that. \u2018Quoted.\u2019 End\u2029Paragraph.",
    "can't won't 12:30 1,234.5 a_b x-y @user #tag http://a.b/c?d=e"]
    + korean[:10]))
