#!/usr/bin/env python3
"""Writes src/text/segment/break_tables.h from the Unicode data of Perl.

make_break_tables.py > src/text/segment/break_tables.h
Needs perl, whose properties Word_Break, Sentence_Break and
Extended_Pictographic are asked for every character. Perl 5.36 has Unicode 14,
as utf8proc 2.8 has.
"""
import subprocess

WORD = ["Other", "CR", "LF", "Newline", "Extend", "ZWJ", "Format", "Katakana",
        "Hebrew_Letter", "ALetter", "Single_Quote", "Double_Quote",
        "MidNumLet", "MidLetter", "MidNum", "Numeric", "ExtendNumLet",
        "WSegSpace", "Regional_Indicator"]
SENTENCE = ["Other", "CR", "LF", "Extend", "Sep", "Format", "Sp", "Lower",
            "Upper", "OLetter", "Numeric", "ATerm", "SContinue", "STerm",
            "Close"]
PICTOGRAPHIC = len(WORD)  # Other that is Extended_Pictographic
LETTER_PICTOGRAPHIC = len(WORD) + 1  # ALetter that is

PERL = r"""
use Unicode::UCD; print Unicode::UCD::UnicodeVersion(), "\n";
my %wb = map { $_ => qr/\p{WB=$_}/ } qw(WORDS);
my %sb = map { $_ => qr/\p{SB=$_}/ } qw(SENTENCES);
for my $c (0 .. 0x10ffff) {
  my ($w, $s, $p) = ("Other", "Other", 0);
  if ($c < 0xd800 || $c > 0xdfff) {
    my $x = chr($c); utf8::upgrade($x);
    for (keys %wb) { if ($x =~ $wb{$_}) { $w = $_; last } }
    for (keys %sb) { if ($x =~ $sb{$_}) { $s = $_; last } }
    $p = $x =~ /\p{Extended_Pictographic}/ ? 1 : 0;
  }
  print "$w $s $p\n";
}
"""


def runs(values):
    out, at = [], 0
    while at < len(values):
        end = at
        while end < len(values) and values[end] == values[at]:
            end += 1
        out.append(chr(ord("A") + values[at]) +
                   (str(end - at) if end - at > 1 else ""))
        at = end
    return out


def show(name, values):
    print(f"inline constexpr std::string_view {name} =")
    lines, line = [], ""
    for run in runs(values):
        if len(line) + len(run) > 72:
            lines.append(line)
            line = ""
        line += run
    lines.append(line)
    print("\n".join(f'    "{line}"' for line in lines) + ";")


script = PERL.replace("WORDS", " ".join(WORD[1:])).replace(
    "SENTENCES", " ".join(SENTENCE[1:]))
version, *rows = subprocess.run(["perl", "-e", script], check=True,
                                capture_output=True,
                                text=True).stdout.splitlines()
word, sentence = [], []
for row in rows:
    w, s, pictographic = row.split()
    code = WORD.index(w)
    if pictographic == "1" and w in ("Other", "ALetter"):
        code = PICTOGRAPHIC if w == "Other" else LETTER_PICTOGRAPHIC
    word.append(code)
    sentence.append(SENTENCE.index(s))
print(f"""// Made by tools/make_break_tables.py; do not edit. Word_Break and
// Sentence_Break of Unicode {version} for all characters in order: a letter names
// a class (breaks.cc), the number behind it how many characters have it.
#ifndef MALMOI_TEXT_SEGMENT_BREAK_TABLES_H_
#define MALMOI_TEXT_SEGMENT_BREAK_TABLES_H_

#include <string_view>

namespace malmoi::text {{

// clang-format off""")
show("kWordBreaks", word)
show("kSentenceBreaks", sentence)
print("""// clang-format on

}  // namespace malmoi::text

#endif  // MALMOI_TEXT_SEGMENT_BREAK_TABLES_H_""")
