#!/usr/bin/env python3
"""Writes tests/golden/static/distilled: a tokenizer for the small random BERT of
tests/golden/zoo_encoders, and what model2vec distils of both.

Run by hand: make_golden_distill.py ZOO_BERT OUTPUT_FOLDER
Needs torch, transformers, model2vec with skeletoken.
"""
import json
import os
import sys

import torch
from model2vec.distill import distill_from_model
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import AutoModel, PreTrainedTokenizerFast

torch.set_num_threads(1)
bert, folder = sys.argv[1:3]
os.makedirs(folder, exist_ok=True)
size = json.load(open(f"{bert}/config.json"))["vocab_size"]
pieces = ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]",
          "[MASK]", "[unused", "[unusedx]"]
pieces += [f"{'##' if i % 5 == 0 else ''}w{i}" for i in range(size)]
pieces = pieces[:size - 1] + ["[unused99]"]
tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(pieces)},
                                       unk_token="[UNK]"))
tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
tokenizer.post_processor = processors.TemplateProcessing(
    single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 4), ("[SEP]", 5)])
fast = PreTrainedTokenizerFast(
    tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]",
    cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")
fast.save_pretrained(folder)
model = AutoModel.from_pretrained(bert).eval().float()
distilled = distill_from_model(model, fast, pca_dims=8, device="cpu",
                               quantize_to="float32")
save_file({"embeddings": distilled.embedding}, f"{folder}/expected.safetensors")
json.dump(list(distilled.tokens), open(f"{folder}/tokens.json", "w"))
