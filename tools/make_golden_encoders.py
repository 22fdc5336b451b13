#!/usr/bin/env python3
"""Reference values of small random encoders and their heads.

Run by hand: make_golden_encoders.py OUTPUT_FOLDER [NAME...]
Needs torch, transformers, safetensors. LLAMA_CPP is a checkout of llama.cpp, for
its converter: model.gguf of the names in GGUF.

Each OUTPUT_FOLDER/NAME is a Hugging Face folder and what transformers
computes of it in float32, for three inputs (a text, a pair, a long text).
What is in each file, and how each architecture computes, are told in
OUTPUT_FOLDER/README.md.
"""
import sys
import torch, transformers as tf
from safetensors.torch import save_file
from golden_random import (Watch, build, load_expected, print_tensors, reload,
                           save)
from zoo_gguf import convert_without_vocabulary

VOCABULARY = 300
LENGTHS = (7, 20, 48)
FIRST_OF_PAIR = 9  # tokens of the pair's first text, with [CLS] and [SEP]
CLS, SEP, MASK = 4, 5, 6
GGUF = ("bert", "distilbert", "roberta", "xlm-roberta", "modernbert",
        "bert-sequence-classification", "roberta-sequence-classification",
        "xlm-roberta-sequence-classification",
        "modernbert-sequence-classification",
        "modernbert-sequence-classification-cls")
GAINS = (("query", 2.5), ("q_lin", 2.5), (".q.", 2.5), ("q_proj", 2.5))
LABELS3 = {"id2label": {0: "negative", 1: "neutral", 2: "positive"},
           "label2id": {"negative": 0, "neutral": 1, "positive": 2}}
LABELS5 = {"id2label": {0: "O", 1: "B-PER", 2: "I-PER", 3: "B-LOC",
                        4: "I-LOC"},
           "label2id": {"O": 0, "B-PER": 1, "I-PER": 2, "B-LOC": 3,
                        "I-LOC": 4}}

# A large epsilon, so that it shows whether it is read.
BERT = dict(vocab_size=VOCABULARY, hidden_size=40, num_attention_heads=5,
            intermediate_size=56, max_position_embeddings=50,
            num_hidden_layers=2, layer_norm_eps=1e-3, hidden_act="gelu")
# 48 tokens and no more: the first position is pad_token_id + 1 = 2.
ROBERTA = BERT | dict(type_vocab_size=1, pad_token_id=1, bos_token_id=0,
                      eos_token_id=2)
DISTILBERT = dict(vocab_size=VOCABULARY, dim=40, n_heads=5, hidden_dim=56,
                  n_layers=2, max_position_embeddings=50, activation="gelu")
ALBERT = BERT | dict(embedding_size=24, num_hidden_layers=4,
                     num_hidden_groups=2, inner_group_num=1,
                     hidden_act="gelu_new")
ELECTRA = BERT | dict(embedding_size=24)
MPNET = BERT | dict(pad_token_id=1)
DEBERTA = BERT | dict(
    hidden_size=32, num_attention_heads=4, type_vocab_size=0,
    max_position_embeddings=64, position_buckets=12,
    max_relative_positions=-1, relative_attention=True,
    position_biased_input=False, norm_rel_ebd="layer_norm",
    share_att_key=True, pos_att_type="p2c|c2p", layer_norm_eps=1e-3,
    pooler_hidden_size=32, pooler_hidden_act="gelu", pooler_dropout=0)
MODERNBERT = dict(
    vocab_size=VOCABULARY, hidden_size=32, num_attention_heads=2,
    intermediate_size=40, num_hidden_layers=4, max_position_embeddings=64,
    local_attention=12, norm_eps=1e-3, pad_token_id=0, bos_token_id=CLS,
    eos_token_id=SEP, cls_token_id=CLS, sep_token_id=SEP,
    global_attn_every_n_layers=3,
    rope_parameters={
        "full_attention": {"rope_type": "default", "rope_theta": 160000.0},
        "sliding_attention": {"rope_type": "default",
                              "rope_theta": 10000.0}})
NOMIC = dict(vocab_size=VOCABULARY, hidden_size=40, num_attention_heads=5,
             intermediate_size=56, max_position_embeddings=64,
             num_hidden_layers=2, layer_norm_eps=1e-3,
             rope_parameters={"rope_type": "default", "rope_theta": 1000.0})
ONE = dict(num_hidden_layers=1)
ONE_DISTILBERT = dict(n_layers=1)
ONE_ALBERT = dict(num_hidden_layers=2, num_hidden_groups=1)
TWO_MODERNBERT = dict(num_hidden_layers=2)  # a global and a local one
MLM_MODERNBERT = dict(num_hidden_layers=1)

SEQUENCE, TOKEN = "ForSequenceClassification", "ForTokenClassification"
MASKED, QUESTION = "ForMaskedLM", "ForQuestionAnswering"

# name: (prefix of the classes, suffix, values of the configuration)
MODELS = {
    "bert": ("Bert", "Model", BERT),
    "bert-sequence-classification": ("Bert", SEQUENCE, BERT | ONE | LABELS3),
    "bert-cross-encoder": ("Bert", SEQUENCE, BERT | ONE | dict(num_labels=1)),
    "bert-token-classification": ("Bert", TOKEN, BERT | ONE | LABELS5),
    "bert-masked-lm": ("Bert", MASKED, BERT | ONE),
    "bert-question-answering": ("Bert", QUESTION, BERT | ONE),
    "roberta": ("Roberta", "Model", ROBERTA),
    "roberta-sequence-classification":
        ("Roberta", SEQUENCE, ROBERTA | ONE | LABELS3),
    "roberta-masked-lm": ("Roberta", MASKED, ROBERTA | ONE),
    "roberta-question-answering": ("Roberta", QUESTION, ROBERTA | ONE),
    "distilbert": ("DistilBert", "Model", DISTILBERT),
    "distilbert-sequence-classification":
        ("DistilBert", SEQUENCE, DISTILBERT | ONE_DISTILBERT | LABELS3),
    "distilbert-token-classification":
        ("DistilBert", TOKEN, DISTILBERT | ONE_DISTILBERT | LABELS5),
    "distilbert-masked-lm":
        ("DistilBert", MASKED, DISTILBERT | ONE_DISTILBERT),
    "distilbert-question-answering":
        ("DistilBert", QUESTION, DISTILBERT | ONE_DISTILBERT),
    "mpnet": ("MPNet", "Model", MPNET),
    "mpnet-sequence-classification":
        ("MPNet", SEQUENCE, MPNET | ONE | LABELS3),
    "mpnet-masked-lm": ("MPNet", MASKED, MPNET | ONE),
    "xlm-roberta": ("XLMRoberta", "Model", ROBERTA),
    "xlm-roberta-sequence-classification":
        ("XLMRoberta", SEQUENCE, ROBERTA | ONE | LABELS3),
    "albert": ("Albert", "Model", ALBERT),
    "albert-sequence-classification":
        ("Albert", SEQUENCE, ALBERT | ONE_ALBERT | LABELS3),
    "albert-masked-lm": ("Albert", MASKED, ALBERT | ONE_ALBERT),
    "electra": ("Electra", "Model", ELECTRA),
    "electra-sequence-classification":
        ("Electra", SEQUENCE, ELECTRA | ONE | LABELS3),
    "electra-masked-lm": ("Electra", MASKED, ELECTRA | ONE),
    "deberta-v2": ("DebertaV2", "Model", DEBERTA),
    "deberta-v2-conv":
        ("DebertaV2", "Model",
         DEBERTA | dict(conv_kernel_size=3, conv_act="gelu")),
    "deberta-v2-sequence-classification":
        ("DebertaV2", SEQUENCE, DEBERTA | ONE | LABELS3),
    "deberta-v2-masked-lm": ("DebertaV2", MASKED, DEBERTA | ONE),
    "deberta-v2-masked-lm-new":
        ("DebertaV2", MASKED, DEBERTA | ONE | dict(legacy=False)),
    "modernbert": ("ModernBert", "Model", MODERNBERT),
    "modernbert-sequence-classification":
        ("ModernBert", SEQUENCE, MODERNBERT | TWO_MODERNBERT | LABELS3 |
         dict(classifier_pooling="mean")),
    "modernbert-sequence-classification-cls":
        ("ModernBert", SEQUENCE, MODERNBERT | TWO_MODERNBERT | LABELS3 |
         dict(classifier_pooling="cls")),
    "modernbert-masked-lm":
        ("ModernBert", MASKED, MODERNBERT | TWO_MODERNBERT),
    "nomic-bert": ("NomicBert", "Model", NOMIC),
}


def make_inputs(prefix, config, seed):
    """Three inputs, as named arguments of the model."""
    numbers = torch.Generator().manual_seed(1000 + seed)
    roberta = prefix in ("Roberta", "XLMRoberta", "MPNet")
    cls, sep = (0, 2) if roberta else (CLS, SEP)
    typed = getattr(config, "type_vocab_size", 0) == 2
    for i, n in enumerate(LENGTHS):
        ids = torch.randint(7, VOCABULARY, (n,), generator=numbers)
        ids[0], ids[3], ids[-1] = cls, MASK, sep
        inputs = {"input_ids": ids[None]}
        if i == 1:
            ids[FIRST_OF_PAIR - 1] = sep
        if typed:
            types = torch.zeros_like(ids)
            if i == 1:
                types[FIRST_OF_PAIR:] = 1
            inputs["token_type_ids"] = types[None]
        yield inputs


def layers_of(base):
    """(first layer, modules whose outputs are those of the layers)."""
    if hasattr(base, "transformer"):
        layers = list(base.transformer.layer)
    elif hasattr(base, "layers"):
        layers = list(base.layers)
    elif hasattr(base.encoder, "albert_layer_groups"):
        layers = [layer for group in base.encoder.albert_layer_groups
                  for layer in group.albert_layers]
    else:
        layers = list(base.encoder.layer)
    first = layers[0]
    if getattr(getattr(base, "encoder", None), "conv", None) is not None:
        layers[0] = base.encoder.conv  # belongs to layer 0
    return first, layers


@torch.no_grad()
def expect(model, whole, inputs):
    base = model if whole else model.base_model
    first, layers = layers_of(base)
    with Watch(first, layers) as watch:
        out = model(**inputs)
    tensors = {"ids": inputs["input_ids"][0].int()}
    if "token_type_ids" in inputs:
        tensors["types"] = inputs["token_type_ids"][0].int()
    if whole:
        tensors["embedding"] = watch.entered[0][0]
        tensors["layers"] = torch.cat(watch.left)
        tensors["last_hidden"] = out.last_hidden_state[0]
        if out.get("pooler_output") is not None:
            tensors["pooler"] = out.pooler_output[0]
    elif "start_logits" in out:
        tensors["start_logits"] = out.start_logits[0]
        tensors["end_logits"] = out.end_logits[0]
    else:
        tensors["logits"] = out.logits[0]
    return tensors


def expect_all(model, prefix, whole, seed):
    return {f"{i}.{name}": value
            for i, inputs in enumerate(make_inputs(prefix, model.config, seed))
            for name, value in expect(model, whole, inputs).items()}


def gains_of(prefix):
    if prefix == "DistilBert":  # its fixed epsilon shows on small numbers
        return (("embeddings.", 0.01), *GAINS)
    if prefix == "ModernBert":
        return (("Wqkv", 1.2),)
    if prefix == "MPNet":
        return (("relative_attention_bias", 1.5), *GAINS)
    if prefix == "DebertaV2":
        return (("rel_embeddings", 1.0), *GAINS)
    return GAINS


def make(folder, name, seed):
    prefix, suffix, values = MODELS[name]
    whole = suffix == "Model"
    config = getattr(tf, prefix + "Config")(**values)
    special = None
    if prefix == "DistilBert":
        # Not the norm of the embeddings, which makes them large again.
        special = lambda name, random: (
            1 + 0.3 * random if name.endswith("LayerNorm.weight") else
            0.3 * random if name.endswith("LayerNorm.bias") else None)
    model = build(getattr(tf, prefix + suffix), config, seed,
                  gains_of(prefix), special)
    tensors = expect_all(model, prefix, whole, seed)
    save(folder, model, tensors, {
        "model": name, "class": prefix + suffix, "seed": seed,
        "lengths": LENGTHS})
    again = expect_all(reload(model, folder), prefix, whole, seed)
    stored = load_expected(folder)
    assert again.keys() == stored.keys()
    for key, value in again.items():
        assert torch.equal(value, stored[key]), key
    return tensors


def save_buckets(path):
    """Buckets of key minus query (MPNet), query minus key (DeBERTa)."""
    distances = torch.arange(-600, 601)
    mpnet = tf.models.mpnet.modeling_mpnet.MPNetEncoder
    deberta = tf.models.deberta_v2.modeling_deberta_v2
    save_file({
        "distances": distances.int(),
        "mpnet.32.128": mpnet.relative_position_bucket(distances).int(),
        "deberta.12.64":
            deberta.make_log_bucket_position(distances, 12, 64).int(),
        "deberta.256.512":
            deberta.make_log_bucket_position(distances, 256, 512).int()}, path)


def main():
    names = sys.argv[2:] or MODELS
    for name in names:
        seed = list(MODELS).index(name)
        folder = f"{sys.argv[1]}/{name}"
        tensors = make(folder, name, seed)
        print(name, {key: list(value.shape) for key, value in tensors.items()
                     if key.startswith("1.")}, flush=True)
        print_tensors(folder)
        if name in GGUF:
            convert_without_vocabulary(folder)
    save_buckets(f"{sys.argv[1]}/buckets.safetensors")


if __name__ == "__main__":
    main()
