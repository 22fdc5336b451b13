#!/usr/bin/env python3
"""What llama.cpp's converter makes of folders whose tokenizer is Unigram.

Run by hand: make_golden_convert.py ROOT/tests/golden
Needs torch, transformers, sentencepiece, safetensors. LLAMA_CPP is a checkout
of llama.cpp. OUT is ROOT/tests/golden/convert.

OUT/t5, OUT/xlm-roberta: the tokenizer's files of a folder (the weights are
those of zoo_seq2seq/flan-t5 and zoo_encoders/xlm-roberta), small SentencePiece
models trained on malmoi's own READMEs. model.gguf is the converter's from all
files, spm.gguf from SentencePiece's alone, json.gguf from tokenizer.json alone
(which it reads for XLM-RoBERTa only). ids.json: texts with the ids that
transformers gives them.
OUT/gemma-embedding: a whole small EmbeddingGemma of random weights, with its
dense layers; model.gguf of it, dense.gguf with the dense layers.
"""
import json, os, shutil, sys, tempfile
from pathlib import Path

# Before the library's released form, which others import.
sys.path[:0] = [os.environ["LLAMA_CPP"], os.environ["LLAMA_CPP"] + "/gguf-py"]

import sentencepiece, torch, transformers as tf
from safetensors.torch import load_file, save_file
from sentencepiece import sentencepiece_model_pb2

from golden_random import build
from make_golden_embedders import GAINS, PROMPTS, dense, pooling, write_case
from make_golden_sentencepiece import ROOT, RULES
from zoo_gguf import convert_whole

VOCABULARY, EXTRA = 300, 9
TEXTS = ["", " ", "a", "The ocean and the sea, 1911.", "  two  spaces  in it ",
         "말모이는 우리말을 모으는 사전 편찬 사업이었다.", "ﬁne №7… ｶﾞ ①",
         "<extra_id_0> is <extra_id_3>.", "<mask> 말모이 <s>x</s>",
         "malmoi run smollm2\tand\nthen", "한국어와 English, déjà vu 日本語",
         "unknown ☃ 漢 𝄞 words"]


CORPORA = {"words": (("README.md", None), ("README.ko.md", 400)),
           "en": (("README.md", None),), "ko": (("README.ko.md", 300),),
           "both": (("README.md", 3000), ("README.ko.md", 150))}


def clean(model):
    """The model without where it was trained."""
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(Path(model).read_bytes())
    proto.trainer_spec.ClearField("input")
    proto.trainer_spec.ClearField("model_prefix")
    proto.normalizer_spec.ClearField("normalization_rule_tsv")
    return proto.SerializeToString()


def train(path, size, text="words", kind="unigram", **options):
    with tempfile.TemporaryDirectory() as folder:
        rules = os.path.join(folder, "rules.tsv")
        with open(rules, "w", encoding="utf-8") as out:
            # Other spaces, as in the models' own rules.
            for before, after in RULES + [("\t", " "), ("\n", " ")]:
                code = lambda text: " ".join(f"{ord(c):X}" for c in text)
                out.write(code(before) + "\t" + code(after) + "\n")
        corpus = os.path.join(folder, "corpus.txt")
        with open(corpus, "w", encoding="utf-8") as out:
            for name, characters in CORPORA[text]:
                with open(os.path.join(ROOT, name), encoding="utf-8") as file:
                    out.write(file.read()[:characters] + "\n")
        sentencepiece.SentencePieceTrainer.train(
            input=corpus, model_prefix=os.path.join(folder, "x"),
            vocab_size=size, model_type=kind, character_coverage=0.98,
            normalization_rule_tsv=rules, num_threads=1, minloglevel=2,
            hard_vocab_limit=False, **options)
        Path(path).write_bytes(clean(os.path.join(folder, "x.model")))


def only(folder, weights, names):
    """A folder with the weights and some of the files."""
    out = Path(tempfile.mkdtemp())
    for path in [*(weights / n for n in ("config.json", "model.safetensors")),
                 *(folder / n for n in names)]:
        shutil.copy(path, out / path.name)
    return out


def add_words(folder, weights, name, spm, kinds):
    tokenizer = tf.AutoTokenizer.from_pretrained(folder)
    ids = [{"text": text, "ids": tokenizer(text)["input_ids"]}
           for text in TEXTS]
    (folder / "ids.json").write_text(
        json.dumps(ids, ensure_ascii=False, indent=0) + "\n")
    both = [spm, "tokenizer.json", "tokenizer_config.json"]
    for kind in kinds:
        names = {"model": both, "spm": [spm], "json": both[1:]}[kind]
        convert_whole(only(folder, weights, names), folder / f"{kind}.gguf")


def make_t5(out, golden):
    folder = out / "t5"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    train(folder / "spiece.model", VOCABULARY - EXTRA - 2, pad_id=0, eos_id=1,
          unk_id=2, bos_id=-1)
    tokenizer = tf.T5Tokenizer.from_pretrained(folder, extra_ids=EXTRA)
    tokenizer.save_pretrained(folder)
    shutil.copy(golden / "zoo_seq2seq/flan-t5/config.json", folder)
    add_words(folder, golden / "zoo_seq2seq/flan-t5", "t5", "spiece.model",
              ("model", "spm"))
    (folder / "config.json").unlink()


def make_xlm_roberta(out, golden):
    folder = out / "xlm-roberta"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    train(folder / "sentencepiece.bpe.model", VOCABULARY - 2)
    shutil.copy(golden / "zoo_encoders/xlm-roberta/config.json", folder)
    tokenizer = tf.XLMRobertaTokenizer.from_pretrained(folder)
    # As the files of such models have it.
    tokenizer.clean_up_tokenization_spaces = True
    tokenizer.init_kwargs["clean_up_tokenization_spaces"] = True
    tokenizer.save_pretrained(folder)
    add_words(folder, golden / "zoo_encoders/xlm-roberta", "xlm-roberta",
              "sentencepiece.bpe.model", ("model", "spm", "json"))
    (folder / "config.json").unlink()


def make_gemma(out):
    folder = out / "gemma-embedding"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    config = tf.Gemma3TextConfig(
        vocab_size=VOCABULARY, hidden_size=32, num_attention_heads=4,
        num_key_value_heads=1, head_dim=10, intermediate_size=40,
        max_position_embeddings=128, num_hidden_layers=7, sliding_window=14,
        query_pre_attn_scalar=10, use_bidirectional_attention=True,
        bos_token_id=2, eos_token_id=1, pad_token_id=0, rms_norm_eps=1e-3)
    model = build(tf.Gemma3TextModel, config, 4, GAINS)
    model.bfloat16().save_pretrained(folder)
    # config.json has the window of both sides.
    written = json.loads((folder / "config.json").read_text())
    written["sliding_window"] = 14
    (folder / "config.json").write_text(json.dumps(written, indent=2) + "\n")
    with tempfile.TemporaryDirectory() as made:
        sentencepiece.SentencePieceTrainer.train(
            input=os.path.join(ROOT, "README.md"), vocab_size=VOCABULARY - 8,
            model_prefix=f"{made}/x", model_type="bpe", pad_id=0, eos_id=1,
            bos_id=2, unk_id=3, character_coverage=0.98, num_threads=1,
            normalization_rule_name="identity", add_dummy_prefix=False,
            remove_extra_whitespaces=False, minloglevel=2,
            user_defined_symbols="<mask>,<start_of_turn>")
        (folder / "tokenizer.model").write_bytes(clean(f"{made}/x.model"))
    (folder / "tokenizer_config.json").write_text(json.dumps({
        "tokenizer_class": "GemmaTokenizer", "add_bos_token": True,
        "add_eos_token": True, "bos_token": "<s>", "eos_token": "</s>",
        "pad_token": "<pad>", "unk_token": "<unk>",
        "added_tokens_decoder": {
            str(i): {"content": text, "special": i != 5} for i, text in
            enumerate(("<pad>", "</s>", "<s>", "<unk>", "<mask>",
                       "<start_of_turn>"))}}, indent=1) + "\n")
    write_case(str(folder), [
        ("Pooling", pooling(32, "mean")),
        ("Dense", dense(32, 48, 4, "linear.Identity", bias=False)),
        ("Dense", dense(48, 24, 5, "linear.Identity", bias=False)),
        ("Normalize", ({}, {}))], {}, PROMPTS, None)
    for path in folder.glob("*_Dense/model.safetensors"):  # as the others
        save_file({name: value.bfloat16() for name, value in
                   load_file(path).items()}, path)
    convert_whole(folder, folder / "model.gguf")
    convert_whole(folder, folder / "dense.gguf", dense=True)


def main():
    golden = Path(sys.argv[1])
    out = golden / "convert"
    wanted = sys.argv[2:]
    for name, make in (("t5", lambda: make_t5(out, golden)),
                       ("xlm-roberta", lambda: make_xlm_roberta(out, golden)),
                       ("gemma-embedding", lambda: make_gemma(out))):
        if not wanted or name in wanted:
            make()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
