#!/usr/bin/env python3
"""Reference values of the WordPiece, WordLevel and Unigram models and of the
stages that BERT, T5, XLM-R and ALBERT have around them, made with Hugging Face
`tokenizers`; the charsmap comes from `sentencepiece`.

    python tools/make_golden_tokenizer_models.py DATA_FOLDER OUT_FOLDER

Small vocabularies are trained with the text of DATA_FOLDER. OUT_FOLDER is
tests/golden/tokenizer. Ranges in the output are bytes.
"""
import base64
import io
import json
import os
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from make_golden_tokenizer import apply, byte_ranges, corpus, sequence, strings

TEXTS = [
    "", " ", "\t\n", "Hello, world! I can't do not 've it's.", "ÀÉÎõü e\u0301 n\u0303 ſ İ ẞ",
    "\u0301 a\u0300\u0316b \u1100\u1161\u11a8 각 뷁", "말모이는 우리말을 모으는 사전이다.",
    "中文字符和English混合。", "مرحبا بالعالم ﷺ", "😀👨‍👩‍👧‍👦🏳️‍🌈 👍🏽",
    "a\x00b\x07c\u200bd\ufffde\x85f\u00a0g\u3000h", "ﬁ ①② ｱｲｳ Ｆｕｌｌ ²", "x" * 30 + " " + "가" * 120,
    "[CLS] <s> ##ing [MASK]lower </s> ▁▁a ▁", "\x01①\u0301 ½\u0897 \r\n\r\nｶﾞ",
    "१२३ क्षि กำ ឦ", "\U0001f1f0\U0001f1f7\u200d  <0x41> \ue000 \U000e0041"]
RULES = [("①", "1"), ("②", "2"), ("ﬁ", "fi"), ("ﷺ", "صلى الله"), ("Ａ", "A"), ("Ｆ", "F"), ("ｕ", "u"),
         ("ｌ", "l"), ("²", "2"), ("½", "1⁄2"), ("　", " "), ("\u00a0", " "), ("\t", " "), ("\n", " "), ("\r", " "),
         ("\x01", ""), ("\x07", ""), ("\u200b", " "), ("\ufeff", ""), ("ｶﾞ", "ガ"), ("ｶ", "カ"), ("ﾞ", "\u3099"),
         ("e\u0301", "é"), ("\x85", " "), ("\u1100\u1161\u11a8", "각")]


def special(names):
    return [{"id": i, "content": name, "single_word": False,
             "lstrip": name == "[MASK]", "rstrip": False, "normalized": False,
             "special": True} for i, name in enumerate(names)]


def word_piece(lines):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]",
                                           max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(lines, trainers.WordPieceTrainer(
        vocab_size=900, limit_alphabet=300, special_tokens=names,
        show_progress=False))
    value = json.loads(tokenizer.to_str())
    value["added_tokens"] = special(names)
    value["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    value["post_processor"] = template("[CLS]", 2, "[SEP]", 3)
    return value


def word_level(lines):
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer.train_from_iterator(lines, trainers.WordLevelTrainer(
        vocab_size=300, special_tokens=names, show_progress=False))
    value = json.loads(tokenizer.to_str())
    value["added_tokens"] = special(names)
    value["post_processor"] = {"type": "BertProcessing", "sep": ["[SEP]", 3],
                               "cls": ["[CLS]", 2]}
    return value


def template(cls, cls_id, sep, sep_id):
    before = [{"SpecialToken": {"id": cls, "type_id": 0}}] if cls else []
    text = {"Sequence": {"id": "A", "type_id": 0}}
    other = {"Sequence": {"id": "B", "type_id": 1}}
    end = [{"SpecialToken": {"id": sep, "type_id": 0}}]
    tokens = {sep: {"id": sep, "ids": [sep_id], "tokens": [sep]}}
    if cls:
        tokens[cls] = {"id": cls, "ids": [cls_id], "tokens": [cls]}
    return {"type": "TemplateProcessing", "single": [*before, text, *end],
            "pair": [*before, text, *end, other, *end],
            "special_tokens": tokens}


def metaspace(scheme, cut=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme,
            "split": cut}


def unigram(lines, folder):
    rules = os.path.join(folder, "rules.tsv")
    with open(rules, "w", encoding="utf-8") as file:
        for source, target in RULES:
            file.write("\t".join(" ".join(f"{ord(c):X}" for c in text)
                                 for text in (source, target)) + "\n")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([l.rstrip("\n") for l in lines if l.strip()]),
        model_writer=model, vocab_size=900, model_type="unigram",
        byte_fallback=True, normalization_rule_tsv=rules, minloglevel=2,
        character_coverage=0.98, num_threads=1)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    os.remove(rules)
    charsmap = base64.b64encode(
        proto.normalizer_spec.precompiled_charsmap).decode()
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": special(["<unk>", "<s>", "</s>"]),
        "normalizer": {"type": "Precompiled",
                       "precompiled_charsmap": charsmap},
        "pre_tokenizer": sequence("pretokenizers", {"type": "WhitespaceSplit"},
                                  metaspace("always")),
        "post_processor": template(None, 0, "</s>", 2),
        "decoder": metaspace("always"),
        "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": False,
                  "vocab": [[p.piece, round(p.score, 6)]
                            for p in proto.pieces]}}


def variants(bases):
    bert = bases["word_piece"]["normalizer"]
    precompiled = bases["unigram"]["normalizer"]
    return {
        "bert uncased": ("word_piece", {}),
        "bert cased": ("word_piece", {
            "normalizer": {**bert, "lowercase": False},
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": False},
            "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3],
                               "cls": ["[CLS]", 2]}}),
        "bert accents": ("word_piece", {
            "normalizer": {**bert, "clean_text": False,
                           "strip_accents": False},
            "model": {"max_input_chars_per_word": 5}}),
        "bert no lowercase, no accents": ("word_piece", {
            "normalizer": {**bert, "strip_accents": True, "lowercase": False,
                           "handle_chinese_chars": False}}),
        "roberta": ("word_piece", {
            "normalizer": None, "decoder": None,
            "post_processor": {
                "type": "RobertaProcessing", "sep": ["[SEP]", 3],
                "cls": ["[CLS]", 2], "trim_offsets": True,
                "add_prefix_space": False},
            "model": {"continuing_subword_prefix": ""}}),
        "word level": ("word_level", {}),
        "word level, words": ("word_level", {
            "pre_tokenizer": {"type": "WhitespaceSplit"}}),
        "t5": ("unigram", {}),
        "xlm-roberta": ("unigram", {
            "normalizer": sequence(
                "normalizers", precompiled,
                {"type": "Replace", "pattern": {"Regex": " {2,}"},
                 "content": " "}),
            "pre_tokenizer": metaspace("always"),
            "post_processor": template("<s>", 1, "</s>", 2)}),
        "bytes": ("unigram", {
            "normalizer": None, "pre_tokenizer": metaspace("first", False),
            "decoder": sequence(
                "decoders", {"type": "Replace", "pattern": {"String": "▁"},
                             "content": " "},
                {"type": "ByteFallback"}, {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0}),
            "model": {"byte_fallback": True}}),
        "albert": ("unigram", {
            "normalizer": sequence(
                "normalizers", {"type": "NFKD"}, {"type": "StripAccents"},
                {"type": "Lowercase"}),
            "pre_tokenizer": metaspace("never"),
            "decoder": metaspace("never")}),
    }


def main():
    data, out = sys.argv[1:]
    lines = corpus(data)
    bases = {"word_piece": word_piece(lines), "word_level": word_level(lines),
             "unigram": unigram(lines, out)}
    groups = []
    extra = [t for t in strings(900, seed=8, wild=True) if len(t) < 60]
    for name, (base, changes) in variants(bases).items():
        tokenizer = Tokenizer.from_str(json.dumps(apply(bases[base], changes)))
        cases = []
        for text in TEXTS + extra[:12]:
            encoding = tokenizer.encode(text)
            cases.append({
                "text": text, "ids": encoding.ids,
                "offsets": byte_ranges(text, encoding),
                "decoded": tokenizer.decode(encoding.ids,
                                            skip_special_tokens=False)})
        extra = extra[12:] + extra[:12]
        pairs = []
        for first, second in ((3, 6), (0, 5)):
            for add in (True, False):
                encoding = tokenizer.encode(TEXTS[first], TEXTS[second],
                                            add_special_tokens=add)
                pairs.append({
                    "first": TEXTS[first], "second": TEXTS[second],
                    "special": add, "ids": encoding.ids,
                    "types": encoding.type_ids,
                    "texts": [-1 if i is None else i
                              for i in encoding.sequence_ids]})
        groups.append({"name": name, "base": base, "changes": changes,
                       "cases": cases, "pairs": pairs})
    path = os.path.join(out, "models.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"bases": bases, "groups": groups}, file,
                  ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    print(path, os.path.getsize(path))


if __name__ == "__main__":
    main()
