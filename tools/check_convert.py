"""By hand: the zoo's model.gguf as folders that transformers loads.

check_convert.py MALMOI [FILTER]: each GGUF of tests/golden becomes a folder
(`MALMOI convert`), whose tensors are compared with those of the folder it was
made of, and whose logits in float32 with those of that folder.
"""
import json, subprocess, sys, tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

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


def main(malmoi, wanted=""):
    for path in sorted(GOLDEN.glob("zoo*/*/model.gguf")):
        if wanted not in str(path) or "encoders" in str(path) or \
                "seq2seq" in str(path):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                said = check(malmoi, path.parent, Path(folder))
            except Exception as error:
                said = f"{type(error).__name__}: {str(error)[:300]}"
        print(path.parent.name, said, flush=True)


main(*sys.argv[1:])
