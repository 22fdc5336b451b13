#!/usr/bin/env python3
"""Reference vectors of all-MiniLM-L6-v2.

Run by hand: make_golden_minilm.py MODEL_FOLDER OUTPUT_FOLDER
Needs torch, transformers, safetensors. Writes texts.json, and in
reference.safetensors the `embeddings` f32 [texts, 384] (mean of all tokens,
normalized, as sentence-transformers does) and `tokens` i32 [texts].
"""
import json, sys
import torch, transformers
from safetensors.torch import save_file

torch.set_num_threads(1)

TEXTS = [
    "", "a", "Hello, world!", "A cat sleeps on the sofa.",
    "A kitten naps on the couch.", "Stocks fell sharply on Monday.",
    "What is the capital of France?", "Paris is the capital of France.",
    "말모이는 한국어의 첫 사전이다.", "고양이가 소파에서 잔다.",
    "猫が寝ている。", "قطة نائمة على الأريكة", "Der Äther öffnet Türen.",
    "naïve café, résumé", "CO2 and H2O: 1,234.56 €", "🙂 👍🏽 👩‍👩‍👧",
    "An_unusually-long.identifier/with\\separators",
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "x" * 150, "control\u0007 and zero\u200bwidth",
    "The apple fell from the tree and Apple announced a phone. " * 6,
    "Words have to be gathered, weighed and sorted. " * 20,
]


@torch.no_grad()
def main():
    folder, out = sys.argv[1:3]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    rows, counts = [], []
    for text in TEXTS:
        batch = tokenizer(text, return_tensors="pt")
        hidden = model(**batch).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(hidden.mean(0), dim=0))
        counts.append(hidden.shape[0])
    assert max(counts) <= 256, counts
    about = {"made_with": f"transformers {transformers.__version__}, "
                          f"torch {torch.__version__}"}
    save_file({"embeddings": torch.stack(rows),
               "tokens": torch.tensor(counts).int()},
              f"{out}/reference.safetensors",
              metadata={"about": json.dumps(about)})
    with open(f"{out}/texts.json", "w", encoding="utf-8") as f:
        json.dump(TEXTS, f, ensure_ascii=False, indent=1)
        f.write("\n")


main()
