#!/usr/bin/env python3
"""Writes tests/golden/static: small folders of static vectors as model2vec and
sentence-transformers save them, and the vectors that these give; sentence
vectors of word vectors by fastText and by SIF.

Run by hand: make_golden_static.py FOLDER WORD_VECTORS [WORDLLAMA]
Needs model2vec, sentence-transformers, tokenizers, scikit-learn. WORD_VECTORS
is tests/golden/word_vectors, whose vectors.txt serves SIF. WORDLLAMA: the
folder of `malmoi pull wordllama`; needs wordllama. fastText's values are made
by make_golden_static_fasttext.py, since it wants an older NumPy.
"""
import json
import os
import sys

import numpy as np
from model2vec import StaticModel
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, StaticEmbedding
from sklearn.decomposition import TruncatedSVD
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

folder, words_folder = sys.argv[1:3]
random = np.random.default_rng(11)
os.makedirs(folder, exist_ok=True)

pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "##s", "sat", "on",
          "a", "mat", "dog", "##gy", "ran", ".", ",", "고양", "##이", "잔", "##다",
          "é", "##t", "not", "here", "king", "queen"]
tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)},
                                       unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True,
                                                  strip_accents=False)
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
tokenizer.post_processor = processors.TemplateProcessing(
    single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])

TEXTS = ["The cats sat on a mat.", "a doggy ran", "unknown words only here",
         "zzz qqq", "", "고양이 잔다, 고양이", "the the the king", "queen . , été",
         "a " * 40 + "cat"]
vectors = random.normal(size=(len(pieces), 8)).astype(np.float32)
answers = {"texts": TEXTS}


def keep(name, values):
    answers[name] = np.asarray(values, dtype=np.float64).round(8).tolist()


plain = StaticModel(vectors, tokenizer, {"model_type": "model2vec"},
                    normalize=True)
plain.save_pretrained(f"{folder}/plain")
keep("plain", plain.encode(TEXTS))

# Clustered: few rows, a weight and a row for each token; not normalized.
mapping = random.integers(0, 5, len(pieces))
weights = random.uniform(0.1, 2, len(pieces))
clustered = StaticModel(vectors[:5].astype(np.float16), tokenizer,
                        {"model_type": "model2vec"}, weights=weights,
                        token_mapping=mapping, normalize=False)
clustered.save_pretrained(f"{folder}/clustered")
# In double, as the floats of the file are summed here.
keep("clustered", StaticModel(
    vectors[:5].astype(np.float16).astype(np.float64), tokenizer,
    {}, weights=weights, token_mapping=mapping, normalize=False).encode(TEXTS))

bytes_ = np.clip(np.rint(vectors * 30), -127, 127).astype(np.int8)
int8 = StaticModel(bytes_, tokenizer, {"model_type": "model2vec"},
                   normalize=True)
int8.save_pretrained(f"{folder}/int8")
keep("int8", int8.encode(TEXTS))

table = StaticEmbedding(tokenizer, embedding_weights=vectors)
sentence = SentenceTransformer(modules=[table, Normalize()],
                               prompts={"query": "the ", "document": ""},
                               device="cpu")
sentence.save(f"{folder}/modules")
keep("modules", sentence.encode(TEXTS))
keep("modules_query", sentence.encode(TEXTS, prompt_name="query"))
for name in os.listdir(folder):
    readme = f"{folder}/{name}/README.md"
    if os.path.exists(readme):
        os.remove(readme)

# SIF as in its authors' code: p from the counts, weights a/(a+p), the mean,
# and the first component of an uncentered SVD removed.
words, rows = [], []
with open(f"{words_folder}/vectors.txt", encoding="utf-8") as file:
    next(file)
    for line in file:
        word, *values = line.rstrip("\n").split(" ")
        words.append(word)
        rows.append([float(v) for v in values])
rows = np.array(rows)
ids = {w: i for i, w in enumerate(words)}
SENTENCES = ["w0 w1 w2", "w3 w4 서울 nowhere", "école w5", "w6 w6 w7 w30 w31",
             "W0 … w8", "w9 w50"]


def sif(share):
    a = 1e-3
    means = np.array([
        np.mean([rows[ids[w]] * a / (a + share[ids[w]]) for w in s.split()
                 if w in ids], axis=0) for s in SENTENCES])
    svd = TruncatedSVD(n_components=1, algorithm="arpack").fit(means)
    u = svd.components_
    return means - means @ u.T @ u


zipf = 1 / np.arange(1, len(words) + 1)
counts = random.integers(1, 1000, len(words))
answers["sentences"] = SENTENCES
answers["counts"] = "".join(f"{w} {c}\n" for w, c in zip(words, counts))
answers["counts"] += "elsewhere 5000\n"
keep("mean", [np.mean([rows[ids[w]] for w in s.split() if w in ids], axis=0)
              for s in SENTENCES])
keep("sif", sif(zipf / zipf.sum()))
keep("sif_counts", sif(counts / (counts.sum() + 5000)))

if len(sys.argv) > 3:
    from safetensors.numpy import load_file
    from wordllama.inference import WordLlamaInference
    model = WordLlamaInference(
        load_file(f"{sys.argv[3]}/model.safetensors")["embedding.weight"],
        Tokenizer.from_file(f"{sys.argv[3]}/tokenizer.json"))
    texts = ["Hello, world!", "A cat sleeps on the sofa.",
             "말모이는 한국어의 첫 사전이다.", "  spaces  and\ttabs\n", "🙂 naïve café"]
    # Without padding: one text at a time.
    answers["wordllama"] = {
        "texts": texts,
        "vectors": [[round(float(x), 8) for x in model.embed([t])[0]]
                    for t in texts]}

with open(f"{folder}/answers.json", "w", encoding="utf-8") as file:
    json.dump(answers, file, ensure_ascii=False)
    file.write("\n")
