"""By hand: the zoo's model.gguf as folders that transformers loads.

check_convert.py MALMOI [FILTER]: each GGUF of tests/golden becomes a folder
(`MALMOI convert`), whose tensors are compared with those of the folder it was
made of, and whose logits in float32 with those of that folder. Encoders and
encoder-decoders become GGUF first, with a tokenizer of others, and their rows
or logits are compared.
"""
import json, shutil, subprocess, sys, tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import (AutoModel, AutoModelForCausalLM,
                          AutoModelForSeq2SeqLM, AutoTokenizer)

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"


def check(malmoi, source, folder):
    run = subprocess.run([malmoi, "convert", source / "model.gguf", folder],
                         capture_output=True, text=True)
    if run.returncode:
        return "refused: " + run.stderr.strip()
    made = load_file(folder / "model.safetensors")
    want = load_file(source / "model.safetensors")
    differ = [name for name in want.keys() | made.keys()
              if name not in made or name not in want or
              not torch.equal(made[name].float(), want[name].float())]
    ids = load_file(source / "expected.safetensors")["0.ids"].long()[None]
    logits = []
    for path in (source, folder):
        model, info = AutoModelForCausalLM.from_pretrained(
            path, dtype=torch.float32, attn_implementation="eager",
            output_loading_info=True)
        with torch.no_grad():
            logits.append(model.eval()(ids, use_cache=False).logits)
    worst = float((logits[0] - logits[1]).abs().max() / logits[0].abs().max())
    AutoTokenizer.from_pretrained(folder)
    missing = {kind: list(names)[:3] for kind, names in info.items() if names}
    return (f"{worst:.1e} {len(made) - len(differ)} of {len(made)} equal "
            f"{differ[:3]} {missing or ''}")


WORDS = {"t5": "convert/t5", "mt5": "convert/t5",
         "xlm-roberta": "convert/xlm-roberta"}


def assemble(source, folder):
    """The model with a tokenizer, as GGUF."""
    kind = json.loads((source / "config.json").read_text())["model_type"]
    words = GOLDEN / WORDS.get(kind, "embedders/bert")
    for path in (source / "config.json", source / "model.safetensors",
                 words / "tokenizer.json", words / "tokenizer_config.json"):
        shutil.copy(path, folder)


@torch.no_grad()
def values(path, seq2seq):
    ids = torch.tensor([[7, 30, 251, 12, 99, 99, 5, 2, 180]])
    cls = AutoModelForSeq2SeqLM if seq2seq else AutoModel
    model, info = cls.from_pretrained(
        path, dtype=torch.float32, attn_implementation="eager",
        output_loading_info=True)
    if seq2seq:
        out = model.eval()(input_ids=ids, decoder_input_ids=ids.flip(1)).logits
    else:
        out = model.eval()(ids).last_hidden_state
    return out, {kind: sorted(names)[:3] for kind, names in info.items()
                 if names}


def check_both(malmoi, source, folder):
    (folder / "a").mkdir()
    assemble(source, folder / "a")
    for step in ((folder / "a", folder / "x.gguf"),
                 (folder / "x.gguf", folder / "b")):
        run = subprocess.run([malmoi, "convert", *step], capture_output=True,
                             text=True)
        if run.returncode:
            return "refused: " + run.stderr.strip()
    seq2seq = "seq2seq" in str(source)
    want, _ = values(folder / "a", seq2seq)
    got, missing = values(folder / "b", seq2seq)
    worst = float((want - got).abs().max() / want.abs().max())
    tokens = [AutoTokenizer.from_pretrained(folder / name)(
        "the ocean, 1911, 우리말")["input_ids"] for name in ("a", "b")]
    return f"{worst:.1e} tokens {tokens[0] == tokens[1]} {missing or ''}"


def main(malmoi, wanted=""):
    for path in sorted(GOLDEN.glob("zoo*/*/config.json")):
        source = path.parent
        other = "encoders" in str(path) or "seq2seq" in str(path)
        if wanted not in str(path) or \
                not (other or (source / "model.gguf").exists()):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                said = (check_both if other else check)(malmoi, source,
                                                        Path(folder))
            except Exception as error:
                said = f"{type(error).__name__}: {str(error)[:300]}"
        print(source.name, said, flush=True)


main(*sys.argv[1:])
