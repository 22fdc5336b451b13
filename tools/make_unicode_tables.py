#!/usr/bin/env python3
"""Writes src/text/unicode/tables.h: where the Unicode data of the tokenizers
library differ from those of the system's libraries (Unicode 14).

The differences are found by asking tokenizers about every code point: its
regular expressions know Unicode 16, its normal forms Unicode 12, its
punctuation Unicode 7, its digits Unicode 17.

    python tools/make_unicode_tables.py > src/text/unicode/tables.h
"""
import unicodedata

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

assert unicodedata.unidata_version == "14.0.0", "run with Python 3.11"

POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
TEXT = "".join(map(chr, POINTS))
CATEGORY = {c: unicodedata.category(chr(c)) for c in POINTS}
CATEGORIES = sorted(set(CATEGORY.values()) - {"Cs", "Cn"})


def removed_by(pre_tokenizer):
    left = set()
    for _, (begin, end) in pre_tokenizer.pre_tokenize_str(TEXT):
        left.update(POINTS[begin:end])
    return set(POINTS) - left


def matched(pattern):
    return removed_by(pre_tokenizers.Split(Regex(pattern), "removed"))


def chosen(pre_tokenizer, prefix):
    """Code points that the stage cuts off (prefix: a character it keeps)."""
    text = "".join(prefix + chr(c) + prefix for c in POINTS)
    result = set()
    for piece, _ in pre_tokenizer.pre_tokenize_str(text):
        if len(piece) == 1 and piece != prefix:
            result.add(ord(piece))
    return result


def gone(normalizer):
    """Code points that the normalizer takes out."""
    return {c for c in POINTS if normalizer.normalize_str(chr(c)) == ""}


def ranges(points, key=lambda c: None):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1 and out[-1][2] == key(c):
            out[-1][1] = c
        else:
            out.append([c, c, key(c)])
    return out


def table(comment, name, points):
    print(f"\n{comment}")
    print(f"inline constexpr CodeRange {name}[] = {{")
    for begin, end, _ in ranges(points):
        print(f"    {{0x{begin:x}, 0x{end:x}}},")
    print("};")


def main():
    category = {}
    for name in CATEGORIES:
        for c in matched(rf"\p{{{name}}}"):
            category[c] = name
    newer = {c for c in POINTS if category.get(c, "Cn") != CATEGORY[c]}
    word = matched(r"\w")
    plain = {c for c in POINTS if category.get(c, "Cn") in ("Nd", "Pc")
             or category.get(c, "Cn")[0] in "LM"}
    assert not plain - word
    joined = set()
    lines = "\n".join("a" + chr(c) for c in POINTS)
    for piece, _ in pre_tokenizers.Whitespace().pre_tokenize_str(lines):
        if len(piece) == 2 and piece[0] == "a":
            joined.add(ord(piece[1]))
    numbers = chosen(pre_tokenizers.Digits(True), "a")
    punctuation = chosen(pre_tokenizers.Punctuation("isolated"), "a")
    ascii_marks = {c for c in range(0x80) if chr(c) in "$+<=>^`|~"}
    marks = {c for c in POINTS
             if category.get(c, "Cn")[0] == "P"} | ascii_marks
    opaque = {}
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        normalizer = getattr(normalizers, form)()
        for c in POINTS:
            got = normalizer.normalize_str(chr(c))
            if got != unicodedata.normalize(form, chr(c)):
                assert got == chr(c), hex(c)
                opaque.setdefault(form, set()).add(c)
    # Marks that the library does not put in order, as it does not know them.
    nfd = normalizers.NFD()
    for c in POINTS:
        combining = unicodedata.combining(chr(c))
        if combining == 0:
            continue
        pair = ("\u0301" + chr(c) if combining < 230
                else chr(c) + "\u0316")
        expected = unicodedata.normalize("NFD", "a" + pair)
        if nfd.normalize_str("a" + pair) != expected:
            opaque.setdefault("NFD", set()).add(c)
            opaque.setdefault("NFKD", set()).add(c)
    control = gone(normalizers.BertNormalizer(True, False, False, False))
    controls = {c for c in POINTS if category.get(c, "Cn") in
                ("Cc", "Cf", "Co")} - {9, 10, 13} | {0xfffd}
    assert not control - controls
    accent = gone(normalizers.BertNormalizer(False, False, True, False))
    accents = {c for c in POINTS if category.get(c, "Cn") == "Mn"}
    combining = gone(normalizers.StripAccents())
    combinings = {c for c in POINTS if category.get(c, "Cn")[0] == "M"}
    lower = normalizers.Lowercase()
    shift = {}
    for c in POINTS:
        got = lower.normalize_str(chr(c))
        if got != chr(c).lower():
            assert len(got) == 1
            shift[c] = ord(got) - c

    print("// Made by tools/make_unicode_tables.py; do not edit. Where the "
          "Unicode data\n"
          f"// of tokenizers {tokenizers.__version__} differ from Unicode 14.")
    print("// The system's libraries may know newer characters than those; "
          "where that\n// matters, all of kNewerCategories count as unknown.")
    print("#ifndef MALMOI_TEXT_UNICODE_TABLES_H_\n"
          "#define MALMOI_TEXT_UNICODE_TABLES_H_\n\n"
          "namespace malmoi::text {\n\n"
          "struct CodeRange {\n  char32_t first, last;\n};\n"
          "struct CategoryRange {\n  char32_t first, last;\n"
          "  char category[3];\n};\n"
          "struct ShiftRange {\n  char32_t first, last;\n  int shift;\n};")
    print("\n// General categories newer than Unicode 14.")
    print("inline constexpr CategoryRange kNewerCategories[] = {")
    for begin, end, name in ranges(newer, lambda c: category.get(c, "Cn")):
        print(f'    {{0x{begin:x}, 0x{end:x}, "{name}"}},')
    print("};")
    table("// Word characters of regular expressions besides letters, marks, "
          "Nd and Pc.", "kOtherWord", word - plain)
    table("// The same for the library's own character tests.",
          "kOtherJoined", joined - plain)
    assert not plain - joined
    table("// Numbers that are newer than the categories above.",
          "kNewerNumbers",
          numbers - {c for c in POINTS if category.get(c, "Cn")[0] == "N"})
    table("// Punctuation that is too new for the punctuation stage.",
          "kTooNewPunctuation", marks - punctuation)
    table("// Punctuation of that stage that is none any more.",
          "kFormerPunctuation", punctuation - marks)
    table("// Not decomposed canonically.", "kOpaque",
          opaque.get("NFD", set()))
    table("// Not decomposed by compatibility.", "kOpaqueCompatibility",
          opaque.get("NFKD", set()))
    table("// Control characters that cleaning a text for BERT leaves there.",
          "kKeptControls", controls - control)
    table("// Nonspacing marks that are no accents to BERT.", "kNoAccents",
          accents - accent)
    table("// Accents to BERT that are no nonspacing marks.",
          "kFormerAccents", accent - accents)
    table("// Marks that stripping accents leaves there.", "kKeptMarks",
          combinings - combining)
    table("// What it takes though it is no mark.", "kFormerMarks",
          combining - combinings)
    print("\n// Lower case newer than Unicode 14, as a difference.")
    print("inline constexpr ShiftRange kNewerLowercase[] = {")
    for begin, end, value in ranges(shift, shift.get):
        print(f"    {{0x{begin:x}, 0x{end:x}, {value}}},")
    print("};\n\n}  // namespace malmoi::text\n\n"
          "#endif  // MALMOI_TEXT_UNICODE_TABLES_H_")


main()
