#!/usr/bin/env python3
"""The tokenizer of a GGUF file of the kind "llama", by SentencePiece itself.

SentencePiece's own library (0.2.3 or later) splits text with the vocabulary and the scores of
the file. What is around it follows llama.cpp: added tokens are cut out first,
leftmost and longest, and every stretch between them gets the space in front
that add_space_prefix asks for. Used by compare_tokenizer.py and
make_golden_spm.py.
"""
import re

import gguf
import sentencepiece
from sentencepiece import sentencepiece_model_pb2 as pb

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


class Encoding:
    def __init__(self, ids, offsets):
        self.ids = ids
        self.offsets = offsets  # in characters; empty: comes from nowhere


class SpmReference:
    # As of a tokenizer of the `tokenizers` library: special tokens are text.
    encode_special_tokens = False
    add_special_tokens = True

    def __init__(self, path):
        fields = gguf.GGUFReader(path).fields

        def get(key, fallback=None):
            field = fields.get(f"tokenizer.ggml.{key}")
            return fallback if field is None else field.contents()

        self.tokens = get("tokens")
        self.types = get("token_type")
        self.prefix = get("add_space_prefix", True)
        self.bos = get("bos_token_id", 1) if get("add_bos_token", True) \
            else None
        unknown = get("unknown_token_id", 0)
        self.splitter = self.make_splitter(get("scores"), unknown)
        self.added = {t: i for i, t in enumerate(self.tokens)
                      if self.types[i] in (UNKNOWN, CONTROL, USER_DEFINED)}
        self.patterns = {}
        for plain in (False, True):
            names = [t for t, i in self.added.items()
                     if not plain or self.types[i] == USER_DEFINED]
            names.sort(key=lambda t: -len(t))
            first = "".join({re.escape(t[0]) for t in names})  # for speed
            self.patterns[plain] = re.compile(
                f"(?=[{first}])(?:{'|'.join(map(re.escape, names))})"
                if names else "(?!)")

    def make_splitter(self, scores, unknown):
        model = pb.ModelProto()
        model.trainer_spec.model_type = pb.TrainerSpec.BPE
        model.trainer_spec.byte_fallback = True
        model.normalizer_spec.name = "identity"
        model.normalizer_spec.add_dummy_prefix = self.prefix
        model.normalizer_spec.remove_extra_whitespaces = False
        for i, token in enumerate(self.tokens):
            kind = self.types[i]
            # Added tokens are cut out before, and the library wants exactly
            # one unknown token.
            if kind in (UNKNOWN, USER_DEFINED):
                kind = CONTROL
            if i == unknown:
                kind = UNKNOWN
            model.pieces.add(piece=token, score=scores[i], type=kind)
        return sentencepiece.SentencePieceProcessor(
            model_proto=model.SerializeToString())

    def stretches(self, text):
        """(id of an added token or None, begin, end)"""
        at = 0
        for match in self.patterns[self.encode_special_tokens].finditer(text):
            if match.start() > at:
                yield None, at, match.start()
            yield self.added[match[0]], match.start(), match.end()
            at = match.end()
        if at < len(text):
            yield None, at, len(text)

    def encode(self, text):
        out = Encoding([], [])
        if self.bos is not None and self.add_special_tokens:
            out.ids.append(self.bos)
            out.offsets.append((0, 0))
        for token, begin, end in self.stretches(text):
            if token is not None:
                out.ids.append(token)
                out.offsets.append((begin, end))
                continue
            part = text[begin:end]
            place = {0: begin}  # of a byte, as a character
            at = 0
            for i, c in enumerate(part, begin + 1):
                at += len(c.encode())
                place[at] = i
            for piece in self.splitter.encode(part,
                                              return_type="proto").pieces:
                out.ids.append(piece.id)
                out.offsets.append((place[piece.begin], place[piece.end]))
        return out

    def encode_batch(self, texts):
        return [self.encode(text) for text in texts]

    def decoded(self, text):
        """What the tokens of a text decode to. Visible spaces become spaces,
        and the space in front of the first token is taken off again."""
        out = ""
        if self.bos is not None and self.add_special_tokens:
            out = self.tokens[self.bos]
        for token, begin, end in self.stretches(text):
            if token is None and self.prefix and out:
                out += " "
            out += text[begin:end].replace("▁", " ")
        if self.prefix and out.startswith(" ") and \
                next(self.stretches(text))[0] is not None:
            out = out[1:]
        return out
