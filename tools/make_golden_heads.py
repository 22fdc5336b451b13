#!/usr/bin/env python3
"""Reference results of heads on texts: what transformers' pipelines make of the
small random models in tests/golden/zoo_encoders.

    make_golden_heads.py tests/golden/zoo_encoders tests/golden/heads

Needs transformers and tokenizers. Writes tokenizer.json (WordPiece, 300 tokens,
trained on the texts below), labels.json and cases.json. Extractive question
answering is no pipeline of transformers 5: its arithmetic stands below, as
version 4 had it.
"""

import json
import os
import sys

import numpy as np
import torch
from tokenizers import (Tokenizer, decoders, models, normalizers,
                        pre_tokenizers, processors, trainers)
from transformers import (AutoModelForMaskedLM,
                          AutoModelForQuestionAnswering,
                          AutoModelForSequenceClassification,
                          AutoModelForTokenClassification,
                          PreTrainedTokenizerFast, pipeline)

TEXTS = [
    "Ada Lovelace lived in London and wrote the first program.",
    "서울은 대한민국의 수도입니다. Seoul is the capital of Korea.",
    "naïve café owners, re-tokenized; unaffordable!",
    "A",
]
PAIRS = [("Who wrote the program?", TEXTS[0]),
         ("수도는 어디입니까?", TEXTS[1]),
         ("long?", " ".join(TEXTS[:3] * 3))]
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
WINDOW, OVERLAP, MAX_ANSWER, TOP = 32, 8, 15, 3


def make_tokenizer(folder):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special,
                                        show_progress=False)
    tokenizer.train_from_iterator(TEXTS + [a for a, _ in PAIRS], trainer)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as out:
        json.dump({"mask_token": "[MASK]", "cls_token": "[CLS]",
                   "sep_token": "[SEP]", "pad_token": "[PAD]",
                   "unk_token": "[UNK]"}, out, indent=1)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, mask_token="[MASK]", cls_token="[CLS]",
        sep_token="[SEP]", pad_token="[PAD]", unk_token="[UNK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def byte(text, characters):
    return len(text[:characters].encode())


def entities(model, tokenizer):
    model.config.id2label = dict(enumerate(LABELS))
    result = {}
    for how in ["none", "simple", "first", "average", "max"]:
        tag = pipeline("token-classification", model=model,
                       tokenizer=tokenizer, aggregation_strategy=how)
        result[how] = [
            [{"label": e.get("entity_group", e.get("entity")),
              "score": float(e["score"]), "begin": byte(text, e["start"]),
              "end": byte(text, e["end"])} for e in tag(text)]
            for text in TEXTS]
    return result


def passages(model, tokenizer, question, text):
    """transformers 4: pipelines/question_answering.py, in its own words."""
    encoded = tokenizer(question, text, truncation="only_second",
                        max_length=WINDOW, stride=OVERLAP,
                        return_overflowing_tokens=True,
                        return_offsets_mapping=True)
    found = {}
    for i in range(len(encoded["input_ids"])):
        ids = encoded["input_ids"][i]
        types = encoded["token_type_ids"][i]
        with torch.no_grad():
            out = model(input_ids=torch.tensor([ids]),
                        token_type_ids=torch.tensor([types]))
        sequence = encoded.sequence_ids(i)
        own = np.array([s == 1 for s in sequence])
        open_ = own.copy()
        open_[0] = True

        def softmax(logits):
            x = np.where(open_, logits[0].double().numpy(), -10000.0)
            x = np.exp(x - x.max())
            x /= x.sum()
            x[0] = 0.0
            return x

        start = softmax(out.start_logits)
        end = softmax(out.end_logits)
        for a in np.nonzero(own)[0]:
            for b in range(a, min(a + MAX_ANSWER, len(ids))):
                if not own[b]:
                    continue
                key = (encoded["offset_mapping"][i][a][0],
                       encoded["offset_mapping"][i][b][1])
                found[key] = max(found.get(key, 0.0), start[a] * end[b])
    best = sorted(found.items(), key=lambda item: -item[1])[:TOP]
    return [{"begin": byte(text, a), "end": byte(text, b), "score": float(s)}
            for (a, b), s in best]


def main(zoo, folder):
    os.makedirs(folder, exist_ok=True)
    tokenizer = make_tokenizer(folder)
    torch.set_num_threads(1)

    def load(kind, name):
        return kind.from_pretrained(os.path.join(zoo, name),
                                    dtype=torch.float32,
                                    attn_implementation="eager").eval()

    cases = {"texts": TEXTS, "pairs": PAIRS}
    classify = load(AutoModelForSequenceClassification,
                    "bert-sequence-classification")
    pipe = pipeline("text-classification", model=classify,
                    tokenizer=tokenizer, top_k=None)
    cases["classify"] = pipe(TEXTS)
    cross = load(AutoModelForSequenceClassification, "bert-cross-encoder")
    pipe = pipeline("text-classification", model=cross, tokenizer=tokenizer)
    cases["pairs_scores"] = [
        pipe({"text": a, "text_pair": b})["score"] for a, b in PAIRS[:2]]
    cases["labels"] = LABELS
    cases["tag"] = entities(
        load(AutoModelForTokenClassification, "bert-token-classification"),
        tokenizer)
    masked = "Seoul is the [MASK] of Korea."
    fill = pipeline("fill-mask", model=load(AutoModelForMaskedLM,
                                            "bert-masked-lm"),
                    tokenizer=tokenizer, top_k=5)
    cases["masked"] = masked
    cases["fill"] = [{"token": f["token"], "score": f["score"],
                      "sequence": f["sequence"]} for f in fill(masked)]
    answer = load(AutoModelForQuestionAnswering, "bert-question-answering")
    cases["answer"] = [passages(answer, tokenizer, a, b) for a, b in PAIRS]
    cases["window"], cases["overlap"] = WINDOW, OVERLAP
    with open(os.path.join(folder, "cases.json"), "w") as out:
        json.dump(cases, out, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
