"""What the scripts that write reference values of small models share: the toy
tokenizer, its texts, greedy continuation, files."""
import itertools, json

import torch
from tokenizers import (AddedToken, Tokenizer, decoders, models,
                        pre_tokenizers, trainers)

BOS, EOS, VOCABULARY = 298, 299, 300
TEXT = ("말모이, 1911: the first dictionary of a language is rarely written by "
        "one person.\nWords have to be gathered, weighed and sorted.\n")


def make_tokenizer():
    """256 bytes, then 42 merges, then <s> and </s>."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=True)
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator([TEXT] * 4, trainers.BpeTrainer(
        vocab_size=BOS, initial_alphabet=alphabet, show_progress=False))
    t.add_special_tokens([AddedToken(text, special=True, normalized=False)
                          for text in ("<s>", "</s>")])
    assert t.get_vocab_size() == VOCABULARY
    assert t.token_to_id("<s>") == BOS and t.token_to_id("</s>") == EOS
    return t


def prompt(tokenizer, length, text=TEXT):
    """The beginning of the text with exactly `length` tokens, and those."""
    text = next(t for t in itertools.accumulate(text)
                if len(tokenizer.encode(t).ids) == length)
    return text, tokenizer.encode(text).ids


@torch.no_grad()
def greedy(model, ids, count):
    """The greedy continuation, and the smallest top-1 minus top-2.

    Each step is a forward of everything, so that no cache holds keys of the
    short factors when the long ones begin (generate() does so too).
    """
    ids, margins = list(ids), []
    for _ in range(count):
        logits = model(torch.tensor([ids]), use_cache=False).logits[0, -1]
        top = torch.topk(logits, 2)
        ids.append(int(top.indices[0]))
        margins.append(float(top.values[0] - top.values[1]))
    return ids[-count:], min(margins)


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=False, indent=2)
        f.write("\n")


def write_tokenizer_files(folder, tokenizer):
    tokenizer.save(f"{folder}/tokenizer.json", pretty=False)
    write_json(f"{folder}/tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": False, "bos_token": "<s>", "eos_token": "</s>",
        "clean_up_tokenization_spaces": False})
