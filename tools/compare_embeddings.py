#!/usr/bin/env python3
"""Compares `malmoi embed` with transformers on the lines of a file.

compare_embeddings.py MALMOI MODEL_FOLDER LINES [COUNT [EMBED_OPTION...]]
Needs torch, transformers. The folder is a sentence-transformers one whose
modules are a mean of all tokens and a normalization. Prints the smallest and
the mean cosine, and the time of each side.
"""
import json, subprocess, sys, time
import torch, transformers


def read_lines(path, count):
    with open(path, encoding="utf-8") as f:
        lines = [line.strip() for line in f]
    return [line for line in lines if line][:count]


def ours(malmoi, folder, lines, options):
    start = time.perf_counter()
    done = subprocess.run(
        [malmoi, "embed", "--json", "--truncate", "-m", folder, *options],
        input="".join(json.dumps(line) + "\n" for line in lines), text=True,
        stdout=subprocess.PIPE, check=True)
    seconds = time.perf_counter() - start
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return torch.tensor([row["embedding"] for row in rows]), seconds


@torch.no_grad()
def reference(folder, lines):
    with open(f"{folder}/sentence_bert_config.json", encoding="utf-8") as f:
        longest = json.load(f)["max_seq_length"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModel.from_pretrained(folder).eval()
    start, rows = time.perf_counter(), []
    order = sorted(range(len(lines)), key=lambda i: len(lines[i]))
    for at in range(0, len(order), 32):
        batch = tokenizer([lines[i] for i in order[at:at + 32]], padding=True,
                          truncation=True, max_length=longest,
                          return_tensors="pt")
        hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1).float()
        mean = (hidden * mask).sum(1) / mask.sum(1)
        rows.append(torch.nn.functional.normalize(mean, dim=1))
    seconds = time.perf_counter() - start
    result = torch.empty(len(lines), rows[0].shape[1])
    result[order] = torch.cat(rows)
    return result, seconds


def main():
    malmoi, folder, path = sys.argv[1:4]
    lines = read_lines(path, int(sys.argv[4]) if len(sys.argv) > 4 else None)
    got, our_seconds = ours(malmoi, folder, lines, sys.argv[5:])
    want, their_seconds = reference(folder, lines)
    cosines = torch.nn.functional.cosine_similarity(got, want, dim=1)
    worst = int(cosines.argmin())
    print(f"{len(lines)} lines: smallest cosine {cosines.min():.7f} "
          f"(line {worst}: {lines[worst][:60]!r}), mean {cosines.mean():.7f}")
    print(f"malmoi {our_seconds:.2f} s with loading, "
          f"transformers {their_seconds:.2f} s without")


main()
