#!/usr/bin/env python3
"""Small vocabularies trained by SentencePiece, as GGUF files of the kind
"llama", and what SentencePiece makes of texts with them.

    python tools/make_golden_spm.py DATA_FOLDER OUT_FOLDER

DATA_FOLDER holds English and Korean text. OUT_FOLDER is
tests/golden/tokenizer: spm_prefix.gguf says nothing that has a default, so
that a text begins with a space; spm_plain.gguf has the settings and the kinds
of tokens of newer files: no such space, runs of spaces and lines as tokens.

Ranges in the output are bytes, and cover whole characters.
"""
import io
import json
import os
import random
import sys

import gguf
import sentencepiece

from compare_tokenizer import with_added
from make_golden_tokenizer import byte_ranges, corpus, strings
from spm_reference import BYTE, CONTROL, NORMAL, UNKNOWN, USER_DEFINED, \
    SpmReference

KINDS = {
    "spm_prefix": {
        "add_dummy_prefix": True, "control_symbols": ["<|user|>", "<|end|>"],
        "split_digits": True},
    "spm_plain": {
        "add_dummy_prefix": False,
        "control_symbols": ["<start_of_turn>", "<end_of_turn>"],
        "user_defined_symbols": ["\n", "\n\n", "▁▁", "▁▁▁", "▁▁▁▁", "<b>",
                                 "</b>", "\t"]},
}


def train(folder, options):
    model = io.BytesIO()
    lines = (line for line in corpus(folder) if line.strip())
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=lines, model_writer=model, model_type="bpe",
        vocab_size=1000, byte_fallback=True, character_coverage=0.98,
        normalization_rule_name="identity", remove_extra_whitespaces=False,
        num_threads=1, minloglevel=2, **options)
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def kind_of(model, i):
    return (UNKNOWN if model.is_unknown(i) else CONTROL if model.is_control(i)
            else BYTE if model.is_byte(i) else NORMAL)


def write_gguf(model, options, path):
    """As convert_hf_to_gguf.py of llama.cpp writes such a vocabulary."""
    user_defined = options.get("user_defined_symbols", [])
    tokens, scores, types = [], [], []
    for i in range(model.vocab_size()):
        piece = model.id_to_piece(i)
        kind = USER_DEFINED if piece in user_defined else kind_of(model, i)
        if kind == USER_DEFINED:  # they are looked for in the text itself
            piece = piece.replace("▁", " ")
        tokens.append(piece.encode())
        scores.append(model.get_score(i))
        types.append(kind)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    if not options["add_dummy_prefix"]:
        writer.add_add_space_prefix(False)
        writer.add_unk_token_id(0)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        writer.add_add_bos_token(True)
        writer.add_add_eos_token(True)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def long_words(count, seed=2):
    """Texts without a space, longer than the simple way of merging takes."""
    rng = random.Random(seed)
    letters = "etaoin할수있는이다가shrdlu뷁é123"
    return ["".join(rng.choice(letters) for _ in range(rng.randint(60, 120)))
            for _ in range(count)]


def main():
    data, out = sys.argv[1:]
    groups = []
    for name, options in KINDS.items():
        path = os.path.join(out, f"{name}.gguf")
        model = train(data, options)
        write_gguf(model, options, path)
        reference = SpmReference(path)
        reference.add_special_tokens = False
        texts = [t for t in strings(700, seed=6, wild=True)
                 if len(t) < 80][:320] + long_words(12)
        for text in texts:  # the file says what the model says
            if "▁" not in text and not reference.patterns[False].search(text):
                assert reference.encode(text).ids == model.encode(text), text
        added = [t for t in reference.added if t not in ("<s>", "</s>")]
        cases = []
        for i, text in enumerate(with_added(texts, added)):
            encoding = reference.encode(text)
            case = {"text": text, "ids": encoding.ids}
            if reference.decoded(text) != text:
                case["decoded"] = reference.decoded(text)
            if i % 8 == 0:
                case["offsets"] = byte_ranges(text, encoding)
                reference.encode_special_tokens = True
                case["plain"] = reference.encode(text).ids
                reference.encode_special_tokens = False
            cases.append(case)
        groups.append({"file": f"{name}.gguf", "cases": cases})
        print(path, os.path.getsize(path), len(cases))
    path = os.path.join(out, "spm.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(groups, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    print(path, os.path.getsize(path))


if __name__ == "__main__":
    main()
