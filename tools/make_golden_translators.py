#!/usr/bin/env python3
"""Tokenizers of translators as their authors' repositories have them.

Run by hand: make_golden_translators.py ROOT/tests/golden
Needs torch, transformers, sentencepiece. OUT is ROOT/tests/golden/translators.

OUT/NAME (marian, m2m-100, nllb, nllb-legacy): the files without tokenizer.json,
small SentencePiece models trained on malmoi's own READMEs, and cases.json: texts
with the ids that transformers gives them in a language, what it makes of ids,
and, for marian and m2m-100, what the model of zoo_seq2seq with this vocabulary
writes: greedy, and with four beams.
"""
import json, shutil, sys, tempfile
from pathlib import Path

import torch, transformers as tf
from transformers.models.m2m_100 import tokenization_m2m_100
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

from make_golden_convert import ROOT, train

VOCABULARY = 300
TEXTS = ["", " ", "The ocean and the sea, 1911.", "  two  spaces  in it ",
         "말모이는 우리말을 모으는 사전이었다.", "한국어와 English, déjà vu 日本語",
         "ﬁne №7… ｶﾞ ①", "unknown ☃ 漢 𝄞 words", "▁a▁▁b", "Größe, naïve, Ωmega",
         "malmoi run smollm2\tand\nthen", "우리말", "Привет, мир! مرحبا"]


def pieces(path):
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return [model.id_to_piece(i) for i in range(model.get_piece_size())
            if not (model.is_control(i) or model.is_unknown(i))]


def write(folder, name, value):
    (folder / name).write_text(
        json.dumps(value, ensure_ascii=False, indent=0) + "\n",
        encoding="utf-8")


def marian(folder):
    train(folder / "source.spm", 170, text="en")
    train(folder / "target.spm", 200, text="ko")
    words = ["</s>", "<unk>", ">>kor<<", ">>deu<<"]
    for name in ("source.spm", "target.spm"):
        words += [p for p in pieces(folder / name) if p not in words]
    # Pieces that no id is left for are unknown, as in files that were cut.
    words += [f"\u2581w{i}" for i in range(VOCABULARY)]
    words = words[:VOCABULARY - 1] + ["<pad>"]
    write(folder, "vocab.json", {word: i for i, word in enumerate(words)})
    write(folder, "tokenizer_config.json", {
        "source_lang": "en", "target_lang": "ko", "model_max_length": 512,
        "tokenizer_class": "MarianTokenizer"})
    tokenizer = tf.MarianTokenizer.from_pretrained(folder)
    return tokenizer, {None: lambda t: tokenizer(t)["input_ids"],
                       ">>kor<<": lambda t: tokenizer(">>kor<<" + t)[
                           "input_ids"]}


def m2m_100(folder):
    train(folder / "sentencepiece.bpe.model", 180, text="both")
    words = ["<s>", "<pad>", "</s>", "<unk>"]
    words += pieces(folder / "sentencepiece.bpe.model")
    words = words[:172]  # a few pieces are not in it
    write(folder, "vocab.json", {word: i for i, word in enumerate(words)})
    write(folder, "tokenizer_config.json", {
        "src_lang": "de", "tgt_lang": None, "codecodes": "m2m100",
        "num_madeup_words": 8, "additional_special_tokens": [
            f"__{code}__" for code in
            tokenization_m2m_100.FAIRSEQ_LANGUAGE_CODES["m2m100"]],
        "tokenizer_class": "M2M100Tokenizer"})
    tokenizer = tf.M2M100Tokenizer.from_pretrained(folder)

    def in_language(code):
        def encode(text):
            tokenizer.src_lang = code
            return tokenizer(text)["input_ids"]
        return encode
    return tokenizer, {code: in_language(code or "de")
                       for code in (None, "en", "ko")}


def nllb(folder, legacy):
    train(folder / "sentencepiece.bpe.model", 200, text="both", kind="bpe")
    write(folder, "tokenizer_config.json", {
        "src_lang": "eng_Latn", "legacy_behaviour": legacy,
        "tokenizer_class": "NllbTokenizer"})
    tokenizer = tf.NllbTokenizer.from_pretrained(folder)
    first = tokenizer.vocab_size  # pieces and what fairseq has before them

    def in_language(code):
        # transformers 5 knows no languages where tokenizer.json is missing; the
        # published files have them behind the pieces, as transformers 4 does.
        language = first + FAIRSEQ_LANGUAGE_CODES.index(code)

        def encode(text):
            ids = tokenizer(text, add_special_tokens=False)["input_ids"]
            return ids + [2, language] if legacy else [language] + ids + [2]
        return encode
    return tokenizer, {code: in_language(code or "eng_Latn")
                       for code in (None, "kor_Hang", "zul_Latn")}


@torch.no_grad()
def translations(model, encode, tokenizer, first):
    """Greedy and with beams: ids behind the start, and their text."""
    found = []
    for text in TEXTS[2:]:
        ids = torch.tensor([encode(text)])
        one = {"text": text}
        for beams in (1, 4):
            out = model.generate(
                ids, attention_mask=torch.ones_like(ids), num_beams=beams,
                do_sample=False, max_new_tokens=16, forced_bos_token_id=first,
                length_penalty=1.0, early_stopping=False)[0].tolist()[1:]
            one[f"beams {beams}"] = out
            one[f"beams {beams} text"] = tokenizer.decode(
                out, skip_special_tokens=True)
        # transformers gives a token of padding another position.
        if model.config.pad_token_id not in one["beams 1"] + one["beams 4"]:
            found.append(one)
    assert len(found) > 4
    return found


def make(out, golden, name, read, weights=None, language=None):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tokenizer, languages = read(folder)
    cases = [{"language": code, "text": text, "ids": encode(text)}
             for code, encode in languages.items() for text in TEXTS]
    g = torch.Generator().manual_seed(1)
    decoded = []
    for i in range(12):
        ids = torch.randint(0, tokenizer.vocab_size, (6,), generator=g).tolist()
        decoded.append({"ids": ids, "text": tokenizer.decode(
            ids, skip_special_tokens=True)})
    result = {"cases": cases, "decoded": decoded}
    if weights:
        model = tf.AutoModelForSeq2SeqLM.from_pretrained(
            golden / "zoo_seq2seq" / weights, dtype=torch.float32,
            attn_implementation="eager").eval()
        first = (None if language is None else
                 tokenizer.get_lang_id(language))
        encode = languages["en"] if language else languages[None]
        result["translations"] = translations(model, encode, tokenizer, first)
    write(folder, "cases.json", result)


def main():
    golden = Path(sys.argv[1])
    out = golden / "translators"
    make(out, golden, "marian", marian, "marian")
    make(out, golden, "m2m-100", m2m_100, "m2m-100", "ko")
    make(out, golden, "nllb", lambda folder: nllb(folder, False))
    make(out, golden, "nllb-legacy", lambda folder: nllb(folder, True))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
