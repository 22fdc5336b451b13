#!/usr/bin/env python3
"""Speed of MiniLM in 8 bits against onnxruntime, OpenVINO and
sentence-transformers, in one run.

    python bench/embed_peers.py prepare FOLDER WORK QUESTIONS.csv PROSE.txt
    python bench/embed_peers.py run FOLDER WORK [--texts short|long]
        [--engines A,B,...] [--rounds N] [--threads N]
        [--program build/release/src/embedder_speed]

FOLDER is all-MiniLM-L6-v2 (`malmoi pull minilm`); WORK gets what `prepare`
makes: texts, ONNX and OpenVINO models. Texts: questions of Banking77 (its
first column; about 12 tokens), and pieces of a play that are 128 tokens long.

Engines: malmoi (the target embedder_speed, --int8); malmoi-bf16 and
malmoi-float, the same in other precisions; ort: the graph fused by
onnxruntime.transformers' optimizer, then quantize_dynamic(); ov: nncf.quantize()
of weights and activations, calibrated with 300 questions that are not
measured; ov-weights: nncf.compress_weights() to 8 bits, whose activations
OpenVINO quantizes as it goes; st: sentence-transformers, float32.

Each measurement is a process of its own: it loads, embeds 64 texts, then is
timed from strings to normalized vectors, tokenizing included, all texts once,
sorted by length, so that padding is least. Batch sizes of the peers are those
that were fastest of 1, 8, 32 and 128 (`tune` prints all). Engines take turns
forwards and backwards (A B B A); medians are printed, by the clock and by the
processor time of all threads (which other programs disturb less), and the least
and mean cosine with st. The python that runs this has onnxruntime, openvino, nncf,
torch, transformers and sentence-transformers (PyPI).
"""
import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from time import perf_counter as now

BATCHES = {"ort": {"short": 32, "long": 8}, "ov": {"short": 32, "long": 8},
           "ov-weights": {"short": 32, "long": 8},
           "st": {"short": 32, "long": 32}}


def read_texts(work, kind):
    with open(os.path.join(work, kind + ".txt"), encoding="utf-8") as file:
        return file.read().splitlines()


# What `prepare` does.

def write_texts(folder, work, questions, prose):
    import tokenizers
    with open(questions, encoding="utf-8") as file:
        rows = [" ".join(row[0].split()) for row in csv.reader(file)][1:]
    with open(os.path.join(work, "short.txt"), "w", encoding="utf-8") as file:
        file.write("".join(row + "\n" for row in rows[:1000]))
    with open(os.path.join(work, "calibrate.txt"), "w",
              encoding="utf-8") as file:
        file.write("".join(row + "\n" for row in rows[-300:]))
    tokenizer = tokenizers.Tokenizer.from_file(
        os.path.join(folder, "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    with open(prose, encoding="utf-8") as file:
        words = file.read().split()
    texts, piece = [], []
    for word in words:
        piece.append(word)
        count = len(tokenizer.encode(" ".join(piece)).ids)
        if count > 128:
            piece = [word]
        elif count == 128:
            texts.append(" ".join(piece))
            piece = []
            if len(texts) == 128:
                break
    with open(os.path.join(work, "long.txt"), "w", encoding="utf-8") as file:
        file.write("".join(text + "\n" for text in texts))


def export(folder, work):
    import torch
    import transformers
    model = transformers.AutoModel.from_pretrained(
        folder, attn_implementation="eager").eval()
    ids = torch.ones(2, 8, dtype=torch.int64)
    names = ["input_ids", "attention_mask", "token_type_ids"]

    class Rows(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids=input_ids,
                              attention_mask=attention_mask,
                              token_type_ids=token_type_ids)[0]

    path = os.path.join(work, "float.onnx")
    axes = {name: {0: "batch", 1: "tokens"} for name in names + ["rows"]}
    torch.onnx.export(Rows(), (ids, ids, torch.zeros_like(ids)), path,
                      input_names=names, output_names=["rows"],
                      dynamic_axes=axes, opset_version=17, dynamo=False)
    return path


def quantize(folder, work, path):
    import nncf
    import openvino as ov
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    fused = optimizer.optimize_model(path, model_type="bert", num_heads=12,
                                     hidden_size=384)
    print("fused:", fused.get_fused_operator_statistics())
    fused_path = os.path.join(work, "fused.onnx")
    fused.save_model_to_file(fused_path)
    for source, name in ((path, "plain"), (fused_path, "fused")):
        quantize_dynamic(source, os.path.join(work, f"ort-{name}.onnx"),
                         per_channel=True, weight_type=QuantType.QInt8,
                         extra_options={"DefaultTensorType": 1})  # float
    model = ov.convert_model(path)
    tokenize = make_tokenizer(folder)
    texts = read_texts(work, "calibrate")
    inputs = [tokenize(texts[i:i + 1]) for i in range(len(texts))]
    whole = nncf.quantize(model, nncf.Dataset(inputs),
                          model_type=nncf.ModelType.TRANSFORMER,
                          subset_size=len(inputs))
    ov.save_model(whole, os.path.join(work, "ov.xml"))
    weights = nncf.compress_weights(ov.convert_model(path),
                                    mode=nncf.CompressWeightsMode.INT8_SYM)
    ov.save_model(weights, os.path.join(work, "ov-weights.xml"))


# What a measurement is.

def make_tokenizer(folder):
    import numpy as np
    import tokenizers
    tokenizer = tokenizers.Tokenizer.from_file(
        os.path.join(folder, "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()

    def tokenize(texts):
        found = tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in found], dtype=np.int64)
        mask = np.array([one.attention_mask for one in found], dtype=np.int64)
        return {"input_ids": ids, "attention_mask": mask,
                "token_type_ids": np.zeros_like(ids)}
    return tokenize


def pool(rows, mask):
    import numpy as np
    mask = mask[:, :, None].astype(np.float32)
    vectors = (rows * mask).sum(1) / mask.sum(1)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def batches(texts, size):
    """Indices, the longest texts first."""
    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    return [order[i:i + size] for i in range(0, len(order), size)]


def ort_embedder(folder, work, size, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        os.path.join(work, "ort-fused.onnx"), options,
        providers=["CPUExecutionProvider"])
    tokenize = make_tokenizer(folder)

    def embed(texts, out):
        for batch in batches(texts, size):
            inputs = tokenize([texts[i] for i in batch])
            rows = session.run(["rows"], inputs)[0]
            out[batch] = pool(rows, inputs["attention_mask"])
    return embed


def ov_embedder(folder, work, size, threads, name):
    import openvino as ov
    core = ov.Core()
    # The fastest here of LATENCY, THROUGHPUT and 1 or 2 streams.
    compiled = core.compile_model(
        os.path.join(work, name + ".xml"), "CPU",
        {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads})
    tokenize = make_tokenizer(folder)

    def embed(texts, out):
        queue = ov.AsyncInferQueue(compiled, threads)

        def done(request, data):
            batch, mask = data
            out[batch] = pool(request.get_output_tensor(0).data, mask)
        queue.set_callback(done)
        for batch in batches(texts, size):
            inputs = tokenize([texts[i] for i in batch])
            queue.start_async(inputs, (batch, inputs["attention_mask"]))
        queue.wait_all()
    return embed


def st_embedder(folder, size, threads):
    import sentence_transformers
    import torch
    torch.set_num_threads(threads)
    model = sentence_transformers.SentenceTransformer(folder, device="cpu")

    def embed(texts, out):
        out[:] = model.encode(texts, batch_size=size,
                              normalize_embeddings=True)
    return embed


def measure(args):
    import numpy as np
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    os.environ["RAYON_NUM_THREADS"] = str(args.threads)
    size = args.batch or BATCHES[args.engine][args.texts]
    if args.engine == "ort":
        embed = ort_embedder(args.folder, args.work, size, args.threads)
    elif args.engine == "st":
        embed = st_embedder(args.folder, size, args.threads)
    else:
        embed = ov_embedder(args.folder, args.work, size, args.threads,
                            args.engine)
    texts = read_texts(args.work, args.texts)
    warm = np.zeros((64, 384), np.float32)
    embed(texts[:64], warm)
    out = np.zeros((len(texts), 384), np.float32)
    start, cpu = now(), time.process_time()
    embed(texts, out)
    seconds, cpu = now() - start, time.process_time() - cpu
    np.save(os.path.join(args.work, f"{args.engine}-{args.texts}.npy"), out)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu,
                      "texts": len(texts)}))


def command(args, engine, batch=None):
    path = os.path.join(args.work, f"{engine}-{args.texts}.npy")
    if engine.startswith("malmoi"):
        line = [args.program, args.folder,
                os.path.join(args.work, args.texts + ".txt"),
                "--threads", str(args.threads), "--save", path]
        how = {"malmoi": ["--int8"], "malmoi-bf16": ["--bf16"]}
        return line + how.get(engine, [])
    line = [sys.executable, __file__, "measure", args.folder, args.work,
            "--engine", engine, "--texts", args.texts, "--threads",
            str(args.threads)]
    return line + (["--batch", str(batch)] if batch else [])


def one(args, engine, batch=None):
    done = subprocess.run(command(args, engine, batch), check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = json.loads(done.stdout.splitlines()[-1])
    return tuple(found["texts"] / found[key]
                 for key in ("seconds", "cpu_seconds"))


def run(args):
    import numpy as np
    engines = args.engines.split(",")
    speeds = {engine: [] for engine in engines}
    for turn in range(args.rounds):
        for engine in engines if turn % 2 == 0 else reversed(engines):
            speeds[engine].append(one(args, engine))
    reference = os.path.join(args.work, f"st-{args.texts}.npy")
    want = np.load(reference) if os.path.exists(reference) else None
    medians = {engine: [statistics.median(column)
                        for column in zip(*speeds[engine])]
               for engine in engines}
    first = medians[engines[0]]
    print(f"{args.texts}, {args.threads} threads; {engines[0]} is so many "
          "times the others")
    for engine in engines:
        wall, cpu = medians[engine]
        line = f"{engine:12} {wall:7.0f} texts/s {first[0] / wall:5.2f}   "
        line += f"{cpu:7.0f} texts/cpu-s {first[1] / cpu:5.2f}   "
        if want is not None:
            got = np.load(os.path.join(args.work,
                                       f"{engine}-{args.texts}.npy"))
            cosines = (got * want).sum(1)
            line += f"cosine {cosines.min():.5f}, mean {cosines.mean():.5f}  "
        print(line, " ".join(f"{speed:.0f}" for speed, _ in speeds[engine]))


def tune(args):
    for engine in args.engines.split(","):
        if not engine.startswith("malmoi"):
            print(engine, args.texts,
                  {size: round(one(args, engine, size)[0])
                   for size in (1, 8, 32, 128)}, flush=True)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("prepare", "run", "tune", "measure"))
    parser.add_argument("folder")
    parser.add_argument("work")
    parser.add_argument("questions", nargs="?")
    parser.add_argument("prose", nargs="?")
    parser.add_argument("--texts", choices=("short", "long"), default="short")
    parser.add_argument("--engines", default="malmoi,ort,ov,ov-weights,st")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--program",
                        default="build/release/src/embedder_speed")
    parser.add_argument("--engine")
    parser.add_argument("--batch", type=int)
    args = parser.parse_args()
    if args.what == "prepare":
        if args.prose is None:
            parser.error("prepare needs QUESTIONS and PROSE")
        os.makedirs(args.work, exist_ok=True)
        write_texts(args.folder, args.work, args.questions, args.prose)
        quantize(args.folder, args.work, export(args.folder, args.work))
    else:
        {"run": run, "tune": tune, "measure": measure}[args.what](args)


if __name__ == "__main__":
    main()
