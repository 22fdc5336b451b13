#!/usr/bin/env python3
"""malmoi inspect against transformers on a real model.

Run by hand: compare_inspect.py MALMOI MODEL REFERENCE [--gguf FILE] [TEXT]
MODEL is what malmoi opens, REFERENCE a folder that transformers opens; with
--gguf FILE transformers dequantizes that file of the folder. Compared: hidden
states, attention of all layers and heads, and, of models that write, the logit
lens. Printed: the largest difference, and of hidden states relative to the
largest value of the layer. With a quantized model malmoi's activations are of 8
bits unless --exact is given, which is compared too.
"""
import argparse, json, os, subprocess, tempfile
import numpy, torch, transformers as tf

TEXT = "She opened an account at the bank, and then she sat down by the river."
torch.set_num_threads(1)
tf.utils.logging.set_verbosity_error()
tf.utils.logging.disable_progress_bar()

parser = argparse.ArgumentParser()
parser.add_argument("malmoi")
parser.add_argument("model")
parser.add_argument("reference")
parser.add_argument("--gguf")
parser.add_argument("text", nargs="?", default=TEXT)
args = parser.parse_args()

words = {"gguf_file": args.gguf} if args.gguf else {}
config = tf.AutoConfig.from_pretrained(args.reference, **words)
writes = not (config.architectures or [""])[0].endswith("Model")
cls = tf.AutoModelForCausalLM if writes else tf.AutoModel
model = cls.from_pretrained(args.reference, dtype=torch.float32,
                            attn_implementation="eager", **words).eval()


def malmoi(*words):
    return subprocess.run([args.malmoi, "inspect", *words, args.text],
                          check=True, capture_output=True).stdout


@torch.no_grad()
def compare(*flags):
    with tempfile.TemporaryDirectory() as folder:
        states, attention = f"{folder}/states.npz", f"{folder}/attention.npz"
        malmoi("states", args.model, "-o", states, *flags)
        malmoi("attention", args.model, "--all", "-o", attention, *flags)
        states, attention = numpy.load(states), numpy.load(attention)
    ids = torch.tensor(states["ids"]).long()[None]
    out = model(ids, output_hidden_states=True, output_attentions=True)
    ours = list(torch.tensor(states["hidden_states"]))
    if "normed" in states:
        ours[-1] = torch.tensor(states["normed"])
    worst = largest = 0
    cosine = 1
    for own, reference in zip(ours, out.hidden_states, strict=True):
        difference = (own - reference[0]).abs().max().item()
        worst = max(worst, difference / reference.abs().max().item())
        largest = max(largest, difference)
        cosine = min(cosine, torch.nn.functional.cosine_similarity(
            own, reference[0]).min().item())
    print(*flags or ["as it runs"])
    print(f"  hidden states: {len(ours)} × {ours[0].shape[0]} tokens, largest "
          f"difference {largest:.2e}, relative {worst:.2e}, "
          f"least cosine {cosine:.6f}")
    reference = torch.cat([a[0] for a in out.attentions])
    own = torch.tensor(attention["attention"])
    print(f"  attention: {len(own)} maps, largest difference "
          f"{(own - reference).abs().max().item():.2e}")
    if not writes:
        return
    lens = json.loads(malmoi("lens", args.model, "--json", "--top", "1", *flags))
    head, norm = model.get_output_embeddings(), model.base_model.norm
    worst = same = count = 0
    for layer, stream in zip(lens["layers"], states["hidden_states"],
                             strict=True):
        # The reference's stream where it has it, not behind its norm.
        if layer["layer"] < len(out.hidden_states) - 1:
            stream = out.hidden_states[layer["layer"]][0]
            logits = head(norm(stream))
        else:
            logits = out.logits[0]
        probabilities = logits.softmax(-1)
        for i, position in enumerate(layer["positions"]):
            top = position["top"][0]
            worst = max(worst, abs(top["probability"] -
                                   probabilities[i, top["id"]].item()))
            same += int(probabilities[i].argmax()) == top["id"]
            count += 1
    print(f"  lens: largest difference of a probability {worst:.2e}, the same "
          f"token in {same} of {count}")


compare()
compare("--exact")
