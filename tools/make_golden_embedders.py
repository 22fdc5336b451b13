#!/usr/bin/env python3
"""Reference vectors of small random sentence-embedding models.

Run by hand: make_golden_embedders.py OUTPUT_FOLDER
Needs torch, transformers, sentence-transformers, tokenizers, safetensors, gguf.

OUTPUT_FOLDER/BASE is a transformer (bert, qwen3, gemma3) with its tokenizer.
OUTPUT_FOLDER/NAME holds what sentence-transformers puts around one of them
(modules.json and what it names), case.json {base, texts, prompts, gguf}, and
expected.safetensors: `KEY` f32 [texts, dimensions] for every entry KEY of
`prompts`, `KEY.tokens` i32 [texts], and `rows` f32 [tokens, width], the rows of
the first text. Texts are encoded one by one. case-*.gguf is the base by
llama.cpp's converter, with the projections where there are some.
OUTPUT_FOLDER/quantized.safetensors: `vectors`, `ranges`, and what
quantize_embeddings makes of them.
"""
import json, os, shutil, sys, tempfile
import gguf, numpy, torch, transformers as tf
from safetensors.numpy import save_file as save_numpy
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import quantize_embeddings
from tokenizers.processors import TemplateProcessing

from golden_models import BOS, EOS, VOCABULARY, make_tokenizer, write_json
from golden_random import VERSIONS, build

tf.utils.logging.set_verbosity_error()

TEXTS = ["Sorted words, by 1911, have to be written.",
         "weighed 말 and gathered 모이: is one person the first?",
         "a", "",
         "Words have to be Gathered, WEIGHED and sorted, and then all of them "
         "are written down by one person at last."]

BASES = {
    "bert": (tf.BertModel, tf.BertConfig(
        vocab_size=VOCABULARY, hidden_size=24, num_attention_heads=3,
        intermediate_size=40, max_position_embeddings=120, num_hidden_layers=2,
        layer_norm_eps=1e-3, pad_token_id=EOS),
        f"<s>:0 $A:0 </s>:0"),
    "qwen3": (tf.Qwen3Model, tf.Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=32, num_attention_heads=4,
        num_key_value_heads=2, head_dim=12, intermediate_size=48,
        max_position_embeddings=128, num_hidden_layers=2,
        tie_word_embeddings=True, bos_token_id=BOS, eos_token_id=EOS,
        rms_norm_eps=1e-3), "$A:0 </s>:0"),
    "gemma3": (tf.Gemma3TextModel, tf.Gemma3TextConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_attention_heads=4,
        num_key_value_heads=2, head_dim=12, intermediate_size=48,
        max_position_embeddings=128, num_hidden_layers=2, sliding_window=14,
        layer_types=["sliding_attention", "full_attention"],
        query_pre_attn_scalar=12, use_bidirectional_attention=True,
        bos_token_id=BOS, eos_token_id=EOS, pad_token_id=EOS,
        rms_norm_eps=1e-3), "<s>:0 $A:0 </s>:0"),
}
GAINS = (("query", 2.5), ("q_proj", 2.5))
ALL = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean",
       "lasttoken"]
KINDS = "sentence_transformers.models."
PROMPTS = {"query": "task: search | query: ", "document": "title: none | "}


def dense(inner, outer, seed, activation, **more):
    """(config, tensors) of a Dense module."""
    g = torch.Generator().manual_seed(seed)
    random = lambda *shape: torch.randn(shape, generator=g)
    config = {"in_features": inner, "out_features": outer, "bias": True,
              "activation_function": f"torch.nn.modules.{activation}"} | more
    tensors = {"linear.weight": random(outer, inner) / inner ** 0.5}
    if config["bias"]:
        tensors["linear.bias"] = 0.3 * random(outer)
    if config.get("use_residual") and inner != outer:
        tensors["residual.weight"] = random(outer, inner) / inner ** 0.5
    return config, tensors


def layer_norm(width):
    g = torch.Generator().manual_seed(9)
    random = lambda: torch.randn(width, generator=g)
    return {"dimension": width}, {"norm.weight": 1 + 0.3 * random(),
                                  "norm.bias": 0.3 * random()}


def pooling(width, modes, **more):
    return {"embedding_dimension": width, "pooling_mode": modes} | more, {}


# name: (base, modules, limits of sentence_bert_config.json, prompts, default)
CASES = {
    "all": ("bert", [("Pooling", pooling(24, ALL))], {}, {}, None),
    "without-prompt": (
        "bert", [("Pooling", pooling(24, ALL, include_prompt=False))],
        {}, PROMPTS, "query"),
    "legacy": (
        "bert", [("Pooling", ({
            "word_embedding_dimension": 24, "pooling_mode_cls_token": True,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False}, {})),
            ("Dense", dense(48, 16, 1, "activation.Tanh")),
            ("Dropout", ({"dropout": 0.5}, {})),
            ("LayerNorm", layer_norm(16)), ("Normalize", ({}, {}))],
        {"max_seq_length": 20, "do_lower_case": True}, {}, None),
    "tokens": (
        "bert", [("Dense", dense(24, 20, 2, "activation.GELU", bias=False,
                                 use_residual=True,
                                 module_input_name="token_embeddings")),
                 ("Dense", dense(20, 20, 3, "activation.SiLU",
                                 use_residual=True,
                                 module_input_name="token_embeddings")),
                 ("Pooling", pooling(20, "mean"))], {}, {}, None),
    "last": (
        "qwen3", [("Pooling", pooling(32, "lasttoken")),
                  ("Normalize", ({}, {}))],
        {"max_seq_length": 60}, PROMPTS, None),
    "weighted": ("qwen3", [("Pooling", pooling(32, "weightedmean"))],
                 {}, {}, None),
    "both-ways": (
        "gemma3", [("Pooling", pooling(32, "mean")),
                   ("Dense", dense(32, 48, 4, "linear.Identity", bias=False)),
                   ("Dense", dense(48, 32, 5, "linear.Identity", bias=False)),
                   ("Normalize", ({}, {}))], {}, PROMPTS, None),
}


def write_base(folder, name):
    cls, config, template = BASES[name]
    model = build(cls, config, len(name), GAINS)
    os.makedirs(folder, exist_ok=True)
    model.bfloat16().save_pretrained(folder)
    tokenizer = make_tokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single=template, pair=template.replace("$A:0", "$A:0 $B:0"),
        special_tokens=[("<s>", BOS), ("</s>", EOS)])
    tokenizer.save(f"{folder}/tokenizer.json", pretty=False)
    write_json(f"{folder}/tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>",
        "eos_token": "</s>", "pad_token": "</s>",
        "clean_up_tokenization_spaces": False})


def write_case(folder, modules, limits, prompts, default):
    listed = [{"idx": 0, "name": "0", "path": "",
               "type": KINDS + "Transformer"}]
    for i, (kind, (config, tensors)) in enumerate(modules, 1):
        path = f"{i}_{kind}"
        os.makedirs(f"{folder}/{path}", exist_ok=True)
        if config:
            write_json(f"{folder}/{path}/config.json", config)
        if tensors:
            save_file(tensors, f"{folder}/{path}/model.safetensors")
        listed.append({"idx": i, "name": str(i), "path": path,
                       "type": KINDS + kind})
    write_json(f"{folder}/modules.json", listed)
    write_json(f"{folder}/sentence_bert_config.json", limits)
    if prompts:
        write_json(f"{folder}/config_sentence_transformers.json", {
            "prompts": prompts, "default_prompt_name": default,
            "similarity_fn_name": "cosine"})


def expected(model, prompts):
    tensors = {}
    names = {"plain": {"prompt": ""}}
    names |= {name: {"prompt_name": name} for name in prompts}
    if model.default_prompt_name:
        names["default"] = {}
    for key, how in names.items():
        vectors = [model.encode([text], **how) for text in TEXTS]
        tensors[key] = torch.tensor(numpy.concatenate(vectors))
        prompt = how.get("prompt", prompts.get(how.get(
            "prompt_name", model.default_prompt_name), ""))
        tensors[key + ".tokens"] = torch.tensor([
            model.tokenize([prompt + text])["input_ids"].shape[1]
            for text in TEXTS]).int()
    rows = model.encode([TEXTS[0]], prompt="", output_value="token_embeddings")
    tensors["rows"] = rows[0].float().contiguous()
    return tensors, list(names)


def convert(folder, path):
    """As llama.cpp's converter does, by its library's names of tensors."""
    config = json.load(open(f"{folder}/config.json"))
    gemma = config["model_type"] == "gemma3_text"
    arch = (gguf.MODEL_ARCH.GEMMA_EMBEDDING if gemma else
            gguf.MODEL_ARCH.QWEN3)
    w = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[arch])
    layers = config["num_hidden_layers"]
    w.add_block_count(layers)
    w.add_context_length(config["max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(config["num_attention_heads"])
    w.add_head_count_kv(config["num_key_value_heads"])
    w.add_key_length(config["head_dim"])
    w.add_value_length(config["head_dim"])
    w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    ropes = config["rope_parameters"]
    if gemma:
        w.add_rope_freq_base(ropes["full_attention"]["rope_theta"])
        w.add_sliding_window(config["sliding_window"])
        w.add_array("gemma-embedding.attention.sliding_window_pattern",
                    [kind == "sliding_attention"
                     for kind in config["layer_types"]])
    else:
        w.add_rope_freq_base(ropes["rope_theta"])
    w.add_pooling_type(gguf.PoolingType.MEAN if gemma else
                       gguf.PoolingType.LAST)
    tokenizer = make_tokenizer()
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("gpt-2")
    w.add_token_list([tokenizer.id_to_token(i) for i in range(VOCABULARY)])
    w.add_token_types([gguf.TokenType.NORMAL] * BOS +
                      [gguf.TokenType.CONTROL] * 2)
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    w.add_token_merges([" ".join(pair) if isinstance(pair, list) else pair
                        for pair in merges])
    w.add_bos_token_id(BOS)
    w.add_eos_token_id(EOS)
    w.add_add_bos_token(gemma)
    w.add_add_eos_token(True)
    names = gguf.get_tensor_name_map(arch, layers)
    tensors = load_file(f"{folder}/model.safetensors")
    for name, tensor in tensors.items():
        values = tensor.float().numpy()
        if gemma and name.endswith("norm.weight"):
            values = values + 1
        new = names.get_name("model." + name, (".weight",))
        assert new, name
        if values.ndim > 1:  # exact: they are bf16 already
            kind = gguf.GGMLQuantizationType.BF16
            w.add_tensor(new, gguf.quants.quantize(values, kind),
                         raw_dtype=kind)
        else:
            w.add_tensor(new, values)
    for part in sorted(os.listdir(folder)):
        if part.endswith("_Dense"):
            values = load_file(f"{folder}/{part}/model.safetensors")
            w.add_tensor(f"dense_{part[0]}.weight",
                         values["linear.weight"].numpy())
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def write_quantized(path):
    g = torch.Generator().manual_seed(3)
    vectors = torch.randn((40, 19), generator=g).numpy()
    vectors[:, 5] = 0.25  # no range at all
    ranges = numpy.vstack([vectors[:30].min(0), vectors[:30].max(0)])
    tensors = {"vectors": vectors, "ranges": ranges}
    for kind in ("int8", "uint8"):
        tensors[kind] = quantize_embeddings(vectors, kind, ranges=ranges)
    for kind in ("binary", "ubinary"):
        tensors[kind] = quantize_embeddings(vectors, kind)
    save_numpy({name: numpy.ascontiguousarray(value)
                for name, value in tensors.items()}, path)


def main():
    out = sys.argv[1]
    for base in BASES:
        write_base(f"{out}/{base}", base)
    for name, (base, modules, limits, prompts, default) in CASES.items():
        case = f"{out}/{name}"
        write_case(case, modules, limits, prompts, default)
        with tempfile.TemporaryDirectory() as both:
            shutil.copytree(f"{out}/{base}", both, dirs_exist_ok=True)
            shutil.copytree(case, both, dirs_exist_ok=True)
            model = SentenceTransformer(
                both, device="cpu",
                model_kwargs={"dtype": torch.float32,
                              "attn_implementation": "eager"})
            tensors, keys = expected(model, prompts)
            gguf = base != "bert" and bool(prompts)
            if gguf:
                convert(both, f"{case}/model.gguf")
        save_file({key: value.contiguous() for key, value in tensors.items()},
                  f"{case}/expected.safetensors",
                  metadata={"about": json.dumps({"made_with": VERSIONS})})
        write_json(f"{case}/case.json", {
            "base": base, "texts": TEXTS, "prompts": keys, "gguf": gguf})
        print(name, {k: tuple(v.shape) for k, v in tensors.items()})
    write_quantized(f"{out}/quantized.safetensors")


if __name__ == "__main__":
    main()
