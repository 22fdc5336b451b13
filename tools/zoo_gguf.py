"""model.gguf of a toy Hugging Face folder by llama.cpp's own converter, and
what is in both files.

The converter is used as it is but for its tokenizers: the toy one is unknown to
it, and some architectures insist on SentencePiece. All take the byte-level BPE.
"""
import os, re, struct, sys
from pathlib import Path

import torch
from safetensors import safe_open

from golden_models import BOS, VOCABULARY


class Converter:
    def __init__(self, llama_cpp, tokenizer):
        sys.path.insert(0, llama_cpp)
        sys.path.insert(0, f"{llama_cpp}/gguf-py")
        import conversion, gguf
        self.conversion, self.gguf = conversion, gguf
        tokens = [tokenizer.id_to_token(i) for i in range(VOCABULARY)]
        kinds = [gguf.TokenType.NORMAL] * BOS + [gguf.TokenType.CONTROL] * 2
        conversion.TextModel.get_vocab_base = (
            lambda self: (tokens, kinds, "gpt-2"))

    def convert(self, folder, path, words):
        """Matrices in bf16, which is exact here; the rest is F32. `words` are
        added to the configuration."""
        c = self.conversion
        hparams = c.ModelBase.load_hparams(Path(folder), False) | words
        name = c.get_model_architecture(hparams, c.ModelType.TEXT)
        kind = c.get_model_class(name)
        kind.set_vocab = lambda self: self._set_vocab_gpt2()
        with torch.inference_mode():
            kind(Path(folder), self.gguf.LlamaFileType.MOSTLY_BF16,
                 Path(path), model_name="random weights",
                 hparams=hparams).write()


def convert_without_vocabulary(folder):
    """FOLDER/model.gguf, matrices in bf16; by the llama.cpp under LLAMA_CPP."""
    llama_cpp = os.environ["LLAMA_CPP"]
    sys.path[:0] = [llama_cpp, f"{llama_cpp}/gguf-py"]
    import conversion, gguf
    hparams = conversion.ModelBase.load_hparams(Path(folder), False)
    kind = conversion.get_model_class(conversion.get_model_architecture(
        hparams, conversion.ModelType.TEXT))
    kind.set_vocab = lambda self: self.gguf_writer.add_token_type_count(
        self.hparams.get("type_vocab_size", 1))
    with torch.inference_mode():
        kind(Path(folder), gguf.LlamaFileType.MOSTLY_BF16,
             Path(folder, "model.gguf"), model_name="random weights",
             hparams=hparams).write()


def convert_whole(folder, path, dense=False):
    """The same with the tokenizer, as the converter itself does it."""
    llama_cpp = os.environ["LLAMA_CPP"]
    sys.path[:0] = [llama_cpp, f"{llama_cpp}/gguf-py"]
    import conversion, gguf
    hparams = conversion.ModelBase.load_hparams(Path(folder), False)
    kind = conversion.get_model_class(conversion.get_model_architecture(
        hparams, conversion.ModelType.TEXT))
    with torch.inference_mode():
        kind(Path(folder), gguf.LlamaFileType.MOSTLY_BF16, Path(path),
             model_name="random weights", hparams=hparams,
             sentence_transformers_dense_modules=dense).write()


def one_line_each(tensors):
    """(name, text) with layers and experts counted together: {0-2}."""
    found = {}
    for name, text in tensors:
        numbers = []
        form = re.sub(r"(?<=\.)\d+(?=\.)",
                      lambda m: numbers.append(int(m[0])) or "{}", name)
        found.setdefault((form, text), []).append(numbers)
    lines = []
    for (form, text), places in found.items():
        for column in zip(*places):
            values = sorted(set(column))
            whole = values == list(range(values[0], values[-1] + 1))
            said = (f"{values[0]}-{values[-1]}" if whole and len(values) > 1
                    else ",".join(map(str, values)))
            form = form.replace("{}", "{" + said + "}", 1)
        lines.append(f"{form} {text}")
    return lines


def safetensors_lines(path):
    with safe_open(path, "pt") as f:
        tensors = [(name, "x".join(map(str, f.get_slice(name).get_shape())))
                   for name in f.keys()]
    by_number = lambda item: [int(x) if x.isdigit() else x
                              for x in re.split(r"(\d+)", item[0])]
    return one_line_each(sorted(tensors, key=by_number))


def gguf_lines(path, gguf):
    """Its tensors, shapes outermost first as in the other, and its keys."""
    reader = gguf.GGUFReader(path)
    tensors = one_line_each(
        (t.name, "x".join(str(n) for n in t.shape[::-1]) +
         ("" if t.tensor_type.name == "BF16" else f" {t.tensor_type.name}"))
        for t in reader.tensors)
    keys = []
    for key, field in reader.fields.items():
        if key.startswith(("GGUF.", "tokenizer.", "general.")) \
                and key != "general.architecture":
            continue
        value = field.contents()
        if isinstance(value, float):
            value = float(f"{value:.7g}")
        keys.append(f"{key} = {value}")
    return tensors, keys
