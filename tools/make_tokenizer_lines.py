#!/usr/bin/env python3
"""Makes the lines on which tokenizers are compared: 100,000, the same always.

    python tools/make_tokenizer_lines.py OUT.jsonl [TEXT FILE OR FOLDER...]

Each line is {"kind", "text"}, or {"kind": "invalid", "hex"} for bytes that
are no UTF-8. A third are lines of the given files and folders (without any,
of this repository), the others are made here: scripts of the world, emoji,
combining marks, control characters, runs of spaces, numbers, long words, and
every code point of the planes in use. "{S}" in a text stands for one of the
tokenizer's own added tokens; compare_tokenizers.py puts it there.
"""
import glob
import json
import os
import random
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
TOTAL = 100_000

# Frequent words of languages, and what stands between words there.
WORDS = {
    "chinese": ("", "的 一 是 不 了 在 人 有 我 他 这 个 们 中 来 上 大 为 和 国 地 到 "
                "以 说 时 要 就 出 会 可 也 你 对 生 能 而 子 那 得 于 着 下 自 之 年 过 "
                "发 后 作 里 用 道 行 所 然 家 种 事 成 方 多 经 么 去 法 学 如 都 同 现 "
                "当 没 动 面 起 看 定 天 分 还 进 好 小 部 其 些 主 样 理 心 她 本 前 开 "
                "但 因 只 从 想 实 模型 语言 学习 机器 数据 北京 大学 经济 問題 時間 電腦 "
                "資料 臺灣 ， 。 、 ？ ！ “ ” 《 》 （ ） ： ； … —— 2024年 3月 A股 "
                "龘 𠮷 㐂 𪚥"),
    "arabic": (" ", "في من على إلى أن هذا هذه التي الذي كان لا ما عن مع هو هي كل بعد "
               "قبل بين يوم عام محمد اللغة العربية النموذج الكتاب كتابٌ مُدَرِّسَةٌ "
               "السَّلامُ عَلَيْكُم ﷺ ﷲ ١٢٣ ٤٥٦٫٧ ، ؟ ؛ لآ لإ گفت می‌شود است "
               "را که ہے میں اردو ـــــ"),
    "hebrew": (" ", "של את על לא הוא היא שלום עולם בְּרֵאשִׁית בָּרָא אֱלֹהִים ״ ׳ 5₪"),
    "japanese": ("", "これ は の に を た が で て と し れ さ ある いる も する から な "
                 "日本語 東京 カタカナ テスト ｶﾀｶﾅ ﾊﾞ パ 、 。 「 」 ー 〜 ヽ 々 ㍿ ㌔ 一二三"),
    "hindi": (" ", "के में है की और से का को पर यह नमस्ते दुनिया भाषा क्षत्रिय ज्ञान "
              "हिन्दी १२३ । ॥ தமிழ் மொழி ภาษาไทย ការ বাংলা తెలుగు ಕನ್ನಡ മലയാളം"),
    "cyrillic": (" ", "и в не на я быть он с что а это как весь человек ЁЖ ёж Привет "
                 "мир Київ ґ ї Ελλάδα και το ΣΊΣΥΦΟΣ ς ὀδυσσεύς հայերեն ქართული"),
    "latin": (" ", "straße Ärger œuvre İstanbul ıșık ğ Đà Nẵng tiếng Việt naïve café "
              "cafe\u0301 ŀ ŉ ǆ ﬁn ﬄ Ⅻ ½ ² ™ ℌ Å Å ſ ß ẞ piñata coöperate don't we've "
              "I'M they'LL it’s l'été OʼNeil e.g. U.S.A. x_y-z http://a.b/c?d=1&e#f"),
}
EMOJI = ("😀 😂 🥹 ❤️ ❤ 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🏴󠁧󠁢󠁥󠁮󠁧󠁿 🇰🇷 🇩 1️⃣ #️⃣ "
         "👨🏿‍💻 🧑‍🚀 ☕ ☕️ ☺︎ ⌚ ♻ ⚧ 🫨 🪿 🀄 🅰 ‼ ⁉️ ㊗️ ➡️ ©️ ® 🦿🏾").split()
MARKS = [chr(c) for block in (range(0x300, 0x370), range(0x591, 0x5c8),
                              range(0x64b, 0x660), range(0xe31, 0xe4f),
                              range(0x1ab0, 0x1ac1), range(0x1dc0, 0x1e00),
                              range(0x20d0, 0x20f1), range(0xfe00, 0xfe10),
                              range(0xfe20, 0xfe30)) for c in block]
CONTROLS = ([chr(c) for c in range(0x20)] + [chr(c) for c in range(0x7f, 0xa1)] +
            list("\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029"
                 "\u202a\u202e\u2060\u2066\u206f\ufeff\ufff9\ufffd\ufffe\uffff"
                 "\U000e0001\U000e007f\U0001d173"))
SPACES = (" ", " ", " ", "\t", "\n", "\r\n", "\r", "\u00a0", "\u2003", "\u3000",
          "\u2009", "\u1680", "\u205f", "\u202f", "\x0b", "\x0c", "\u0085")
BAD = (b"\xff", b"\xfe", b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80",
       b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80",
       b"\xf5\x80\x80\x80", b"\xe2\x82", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xc3",
       b"\xf8\x88\x80\x80\x80", b"\xe2\x28\xa1")


def real_lines(paths):
    """Lines of files; some joined, as texts have more than one."""
    files = []
    for path in paths:
        files += (sorted(glob.glob(os.path.join(path, "**", "*"),
                                   recursive=True))
                  if os.path.isdir(path) else [path])
    out = []
    for path in files:
        if not os.path.isfile(path):
            continue
        try:
            with open(path, encoding="utf-8", newline="") as file:
                lines = [l for l in file.read().splitlines(keepends=True)
                         if len(l) < 4000]
        except UnicodeDecodeError:
            continue
        rng = random.Random(os.path.basename(path))
        at = 0
        while at < len(lines):
            take = 1 if rng.random() < 0.7 else rng.randint(2, 6)
            text = "".join(lines[at:at + take])
            out.append(text if rng.random() < 0.2 else text.rstrip("\r\n"))
            at += take
    return [text for text in out if text]


def sentence(rng, language):
    between, words = WORDS[language]
    words = words.split()
    return between.join(rng.choice(words) for _ in range(rng.randint(1, 24)))


def some(rng, lists, least=1, most=12):
    return "".join(rng.choice(rng.choice(lists)) for _ in
                   range(rng.randint(least, most)))


LETTERS = [chr(c) for c in range(0x21, 0x7f)] + list("éüñçßÅ한국어말모이漢字")


def number(rng):
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(1, 40)))
    forms = ("{}", "-{}", "{}.5e-7", "1,{}", "${}", "0x{}f", "v{}.0", "٣{}٤", "{}²½",
             "№{}", "１{}２", "{}%", "{}:{}", "+82-{}", "{}st", "Ⅷ{}")
    return rng.choice(forms).replace("{}", digits)


def long_word(rng):
    unit = some(rng, [LETTERS], 1, 8)
    return (unit * rng.randint(20, 400))[:rng.randint(200, 1200)]


def spaced(rng):
    out = []
    for _ in range(rng.randint(1, 8)):
        out.append(rng.choice(SPACES) * rng.choice((1, 1, 2, 3, 7, 16, 33, 90)))
        out.append(some(rng, [LETTERS, "▁Ġ "], 0, 5))
    return "".join(out)


def marked(rng):
    return "".join(rng.choice(LETTERS + ["가", "\u1100\u1161", "ا", "ก", "é"]) +
                   some(rng, [MARKS], 0, 4) for _ in range(rng.randint(1, 12)))


def special(rng):
    parts = []
    for _ in range(rng.randint(1, 5)):
        parts.append(rng.choice(("{S}", "{S}", " {S}", "{S} ", "\n{S}\n", "{S}{S}",
                                 "x{S}y", "▁{S}", "<0x0A>", "{S}".lower())))
        parts.append(sentence(rng, rng.choice(list(WORDS)))
                     if rng.random() < 0.5 else some(rng, [LETTERS, SPACES]))
    return "".join(parts)


def mixed(rng):
    makers = (lambda r: sentence(r, r.choice(list(WORDS))),
              lambda r: some(r, [EMOJI, SPACES, LETTERS]), number, spaced, marked,
              lambda r: some(r, [CONTROLS, LETTERS]))
    return "".join(rng.choice(makers)(rng) for _ in range(rng.randint(2, 4)))


def invalid(rng):
    data = bytearray(mixed(rng).encode())
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(data))
        data[at:at] = rng.choice(BAD)
    return bytes(data)


def code_points():
    points = [c for c in range(0x32400) if not 0xd800 <= c < 0xe000]
    points += range(0xe0000, 0xe0200)
    for i in range(0, len(points), 64):
        yield "".join(f"a{chr(c)} {chr(c)}" for c in points[i:i + 64])


def made(kind, count, maker):
    rng = random.Random(kind)
    return [{"kind": kind, "text": maker(rng)} for _ in range(count)]


def main():
    out_path, paths = sys.argv[1], sys.argv[2:]
    lines = []
    for kind in WORDS:
        count = {"chinese": 9000, "arabic": 9000}.get(kind, 2500)
        lines += made(kind, count, lambda r, k=kind: sentence(r, k))
    lines += made("emoji", 5000, lambda r: some(r, [EMOJI, EMOJI, LETTERS, " "]))
    lines += made("marks", 3000, marked)
    lines += made("controls", 5000, lambda r: some(r, [CONTROLS, LETTERS], 1, 30))
    lines += made("spaces", 5000, spaced)
    lines += made("numbers", 4000, lambda r: " ".join(
        number(r) for _ in range(r.randint(1, 5))))
    lines += made("long words", 600, long_word)
    lines += made("special", 5000, special)
    lines += made("mixed", 3000, mixed)
    lines += [{"kind": "code points", "text": t} for t in code_points()]
    rng = random.Random("invalid")
    for _ in range(3000):
        data = invalid(rng)
        try:
            data.decode()
            lines.append({"kind": "mixed", "text": data.decode()})
        except UnicodeDecodeError:
            lines.append({"kind": "invalid", "hex": data.hex()})
    code = [{"kind": "code", "text": t} for t in real_lines(
        [os.path.join(ROOT, "src"), os.path.join(ROOT, "tools")])]
    random.Random("code").shuffle(code)
    lines += code[:12_000]
    real = [{"kind": "real", "text": t} for t in real_lines(paths)]
    random.Random("real").shuffle(real)
    lines += (real or code[12_000:])[:TOTAL - len(lines)]
    if len(lines) < TOTAL:
        sys.exit(f"{len(lines)} lines; expected {TOTAL}; give more text files")
    with open(out_path, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")
    kinds = {}
    for line in lines:
        kinds[line["kind"]] = kinds.get(line["kind"], 0) + 1
    print(kinds)


if __name__ == "__main__":
    main()
