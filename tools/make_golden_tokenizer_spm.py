#!/usr/bin/env python3
"""Token ids of a GGUF's SentencePiece vocabulary, by sentencepiece itself.

Run by hand: make_golden_tokenizer_spm.py MODEL.gguf OUTPUT_FILE
Needs gguf, sentencepiece, protobuf, transformers, numpy.

OUTPUT_FILE is a list of [text, ids], without the beginning-of-text token. The
ids are those of sentencepiece itself, on a model file made of the GGUF's
pieces, scores and types; special tokens spelt out in a text are those tokens.
transformers' reading of the same GGUF has to agree, or the text is left out;
but for more than 31 blanks in a row, where it merges instead of taking the
longest piece first (llama.cpp takes the longest too).
"""
import json, os, random, re, sys
import gguf, sentencepiece, transformers
from sentencepiece import sentencepiece_model_pb2

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


class Reference:
    """sentencepiece with a GGUF's vocabulary, and special tokens in texts."""

    def __init__(self, path):
        fields = gguf.GGUFReader(path).fields
        read = lambda name: fields["tokenizer.ggml." + name].contents()
        pieces, types = read("tokens"), read("token_type")
        proto = sentencepiece_model_pb2.ModelProto()
        proto.trainer_spec.model_type = proto.trainer_spec.BPE
        proto.trainer_spec.byte_fallback = True
        proto.normalizer_spec.name = "identity"
        proto.normalizer_spec.add_dummy_prefix = read("add_space_prefix")
        proto.normalizer_spec.remove_extra_whitespaces = False
        proto.normalizer_spec.escape_whitespaces = True
        unknown = read("unknown_token_id")
        for i, (piece, score) in enumerate(zip(pieces, read("scores"))):
            # The converter has put blanks where the piece has U+2581.
            if types[i] == USER_DEFINED:
                piece = piece.replace(" ", "\u2581")
            proto.pieces.add(piece=piece, score=score,
                             type=UNKNOWN if i == unknown else types[i])
        self.processor = sentencepiece.SentencePieceProcessor(
            model_proto=proto.SerializeToString())
        self.pieces = pieces
        self.special = {piece: i for i, piece in enumerate(pieces)
                        if types[i] == CONTROL}
        longest = sorted(self.special, key=len, reverse=True)
        self.split = re.compile(f"({'|'.join(map(re.escape, longest))})")

    def encode(self, text):
        ids = []
        for part in filter(None, self.split.split(text)):
            special = self.special.get(part)
            ids += (self.processor.encode(part) if special is None
                    else [special])
        return ids

    def decode(self, ids):
        """The text, special tokens spelt out."""
        out, normal = "", []
        for i in [*ids, None]:
            if i is not None and self.pieces[i] not in self.special:
                normal.append(i)
                continue
            out += self.processor.decode(normal) if normal else ""
            out += "" if i is None else self.pieces[i]
            normal = []
        return out


def of_transformers(path):
    """A function from text to ids."""
    folder, name = os.path.split(os.path.abspath(path))
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        folder, gguf_file=name)
    return lambda text: tokenizer(text, add_special_tokens=False).input_ids


WORDS = {
    "english": "the quick brown fox don't they've I'll Unbelievable "
               "antidisestablishmentarianism San Francisco e-mail "
               "naïve café it's 3rd re-read Mr. O'Neill".split(),
    "korean": "말모이는 우리말을 모으는 사전 편찬 사업이었다. 안녕하세요? 오늘 날씨가 "
              "참 좋네요 ㅋㅋㅋ ㅠㅠ 값어치 닭볶음탕 뷁 훈민정음 서울특별시".split(),
    "chinese": "你好，世界！ 人工智能 的 發展 繁體字 龘 北京大学 2024年 "
               "「引号」 一二三".split(),
    "japanese": "こんにちは カタカナ 東京都 ﾊﾝｶｸ 食べました。 ゟ ー".split(),
    "arabic": "مرحبا بالعالم اللغة العربية ١٢٣ كِتَابٌ ـــ لا".split(),
    "other": "Здравствуй мир שלום עולם नमस्ते दुनिया สวัสดี γειά σου "
             "Tiếng Việt ქართული አማርኛ ትግርኛ ᚠᚢᚦ 𝕳𝖊𝖑𝖑𝖔 𐍈 ꙮ".split(),
    "emoji": "😀 👨‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇰🇷 ❤️ ☕ 🧑🏿‍🚀 1️⃣ 🫨 🪿 ™ ♻︎".split(),
    "digits": "0 7 42 1,234.5 2024-11-24 1234567890 3.14159 0x1F ½ ² Ⅷ ①② ๓ "
              "١٢٣ 𝟘𝟙 1e-5 100%".split(),
    "punctuation": "... ?! -- — “quoted” ‘a’ (b) [c] {d} <e> @f #g $5 €6 ^ ~ "
                   "`h` | \\ / ;: &amp; ==> !== …".split(),
}
CODE = ["def f(x):\n    return x**2\n", "for (int i = 0; i < n; ++i) {\n\t",
        "#include <vector>\r\n", "a[i]->b::c<T>()", "\"\\n\"", "// TODO: 말",
        "SELECT * FROM t WHERE id=42;", "x = {'a': [1, 2.5e-3]}\n\n",
        "<div><h1>Title</h1><p>a</p></div>", "<table>\n\t<tr><td>1</td></tr>",
        "if x:\n\tpass\nelse:\n\t\tpass", "$ ls -la | grep '^d'\n",
        "{\"k\": [true, null, -1.5e10]}", "    indented\n        twice\n"]
SPECIALS = ["<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<pad>",
            "<unk>", "<mask>", "<unused0>", "<unused99>", "<unused6241>",
            "<start_of_image>", "<end_of_image>", "[multimodal]"]
NEARLY_SPECIAL = ["<start_of_turn", "< bos>", "<BOS>", "<0x41>", "<unused>",
                  "<unused6242>", "start_of_turn>", "<bos", "</s>", "<s>",
                  "<|im_start|>", "[multimodal", "<0x0A>", "\u2581",
                  "\u2581\u2581", "a\u2581b", "</h1", "<h7>"]
SPACES = [" ", "  ", "   ", "    ", "\t", "\t\t", "\n", "\n\n", "\n\n\n",
          "\r\n", "\r", "\u00a0", "\u3000", "\u2028", "\u200b", "\u200d",
          "\x0b", "\x0c", "\x85", "\ufeff", " \n", "\n ", " \t "]
CONTROLS = ["\x00", "\x01", "\x07", "\x08", "\x1b[0m", "\x1f", "\x7f",
            "\x80", "\x9f", "\u200e", "\u202e", "\u2066"]
ODD = ["\ufffd", "\ufffd\ufffd", "\ufffe", "\uffff", "\ue000", "\U000e0041",
       "\U0010ffff", "\u0301", "e\u0301", "\u1112\u1161\u11ab", "ﬁ", "Å",
       "\u212b", "\ufdfa", "\U0001f9ff\ufe0e", "\u0378", "\U000323af"]


def texts():
    """Every kind alone, runs of blanks, then mixtures."""
    numbers = random.Random(1)
    out = ["", " ", "a", " a", "a ", "  a  ", "Hello, world!"]
    for words in WORDS.values():
        out += [" ".join(words), "".join(words), " " + words[0], words[-1]]
    out += CODE + NEARLY_SPECIAL + CONTROLS + ODD
    for s in SPECIALS:
        out += [s, f"a{s}b", f" {s} "]
    out += ["<start_of_turn>user\nHi!<end_of_turn>\n<start_of_turn>model\n",
            "<bos><bos>", "<<bos>>", "<start_of_turn><start_of_turn>"]
    for blank in (" ", "\n", "\t", "\u2581", "\r"):
        for count in (2, 3, 7, 16, 30, 31, 32, 33, 62, 63, 95, 200):
            out.append(f"a{blank * count}b")
    for blank in (" ", "\n", "\t"):
        out += [blank * 31, blank * 40, blank * 5 + "word", "word" + blank * 4]
    out += ["a" * 1000, "ab" * 300, "가" * 200, "1" * 100, "=" * 80, "-" * 33,
            "." * 64, "😀" * 20, "the" * 50, "ha" * 77]
    kinds = [*WORDS.values(), CODE, SPECIALS, NEARLY_SPECIAL, SPACES, CONTROLS,
             ODD]
    while len(out) < 430:
        some = numbers.sample(kinds, 4)
        out.append("".join(
            numbers.choice(numbers.choice(some)) + numbers.choice(
                ["", "", " ", " ", "\n", "  "])
            for _ in range(numbers.randint(2, 14))))
    return list(dict.fromkeys(out))


def main():
    path, output = sys.argv[1:3]
    reference, other = Reference(path), of_transformers(path)
    kept = []
    for text in texts():
        ids, theirs = reference.encode(text), other(text)
        if ids != theirs and " " * 32 not in text:
            print("transformers differs:", ascii(text)[:100],
                  ids[:12], theirs[:12])
            continue
        kept.append([text, ids])
    print(len(kept), "texts; the first 400 are kept")
    with open(output, "w", encoding="utf-8") as f:
        f.write("[\n" + ",\n".join(
            json.dumps(pair, ensure_ascii=True, separators=(",", ":"))
            for pair in kept[:400]) + "\n]\n")


if __name__ == "__main__":
    main()
