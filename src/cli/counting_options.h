// The options of the verbs that count texts, for the table of verbs.
#ifndef MALMOI_CLI_COUNTING_OPTIONS_H_
#define MALMOI_CLI_COUNTING_OPTIONS_H_

#include "cli/verbs.h"

namespace malmoi::cli {

// Where words are in a text, the same wherever they are counted or looked up.
inline constexpr OptionSpec kWordRuleOption = {
    "--words", "", "RULE",
    "sklearn, unicode (UAX #29) or korean (particles and endings off)",
    "sklearn, unicode(UAX #29) 또는 korean(조사와 어미를 뗍니다)"};

// How a file becomes texts and a text terms.
inline constexpr OptionSpec kCounting[] = {
    {"--output", "-o", "FILE", "Where the result goes", "결과를 쓸 파일"},
    {"--format", "", "F",
     "lines, csv, tsv or jsonl (default: by the file's name)",
     "lines, csv, tsv 또는 jsonl (기본값: 파일 이름에 따라)"},
    {"--column", "", "NAME",
     "Column with the texts: a name, or a number from 1 (default: text)",
     "글이 있는 열: 이름 또는 1부터 세는 번호 (기본값: text)"},
    {"--no-header", "", "", "CSV and TSV begin with a record, not with names",
     "CSV와 TSV에 열 이름 줄이 없습니다"},
    {"--analyzer", "", "UNIT",
     "word, char, char_wb (within words) or jamo (Hangul's letters)",
     "word, char, char_wb(낱말 안의 글자) 또는 jamo(한글 자모)"},
    kWordRuleOption,
    {"--ngrams", "", "MIN-MAX", "Runs of so many terms (default 1-1)",
     "이어진 단위의 수 (기본값 1-1)"},
    {"--no-lowercase", "", "", "Keep capital letters",
     "대문자를 그대로 둡니다"},
    {"--strip-accents", "", "HOW", "none, unicode or ascii (default none)",
     "none, unicode 또는 ascii (기본값 none)"},
    {"--stop-words", "", "FILE", "Words to leave out, one a line",
     "빼고 셀 낱말, 한 줄에 하나"},
    {"--memory", "", "MB",
     "Counts kept in memory; more go to a temporary file (default 1024)",
     "메모리에 둘 셈의 크기; 넘으면 임시 파일에 둡니다 (기본값 1024)"},
};

inline constexpr OptionSpec kVectorize[] = {
    {"--model", "-m", "FILE", "fit-transform: also keep the vectorizer",
     "fit-transform: 벡터화기도 저장합니다"},
    {"--min-df", "", "X", "Terms in at least X documents, or a fraction (0.01)",
     "적어도 X개의 문서 또는 비율(0.01)에 나오는 단위만"},
    {"--max-df", "", "X", "Terms in at most X documents, or a fraction (0.5)",
     "많아야 X개의 문서 또는 비율(0.5)에 나오는 단위만"},
    {"--max-features", "", "N", "Only the N most frequent terms",
     "가장 잦은 N개만"},
    {"--binary", "", "", "1 for every term that occurs",
     "나오는 단위는 모두 1로 셉니다"},
    {"--tfidf", "", "", "Weigh by inverse document frequency",
     "역문서 빈도로 가중합니다"},
    {"--sublinear", "", "", "With --tfidf: 1 + ln(count)",
     "--tfidf와 함께: 1 + ln(횟수)"},
    {"--idf", "", "KIND", "With --tfidf: smooth, plain or none",
     "--tfidf와 함께: smooth, plain 또는 none"},
    {"--norm", "", "NORM", "l1, l2 or none (default l2 with --tfidf or --hash)",
     "l1, l2 또는 none (기본값은 --tfidf나 --hash이면 l2)"},
    {"--hash", "", "N",
     "fit-transform: N columns by hashing, without a vocabulary",
     "fit-transform: 어휘 없이 해시로 N개의 열"},
    {"--no-alternate-sign", "", "", "With --hash: all terms count positively",
     "--hash와 함께: 모두 양수로 셉니다"},
    {"--terms", "", "", "JSON lines name terms instead of numbers",
     "JSON 줄에 번호 대신 단위를 씁니다"},
    {"--compress", "", "", "Deflate the .npz", ".npz를 압축합니다"},
    {"--top", "", "N", "top: so many terms (default 10)",
     "top: 보여 줄 단위의 수 (기본값 10)"},
};

inline constexpr OptionSpec kBm25[] = {
    {"--variant", "", "NAME",
     "lucene, robertson, atire, bm25l or bm25+ (default lucene)",
     "lucene, robertson, atire, bm25l 또는 bm25+ (기본값 lucene)"},
    {"--k1", "", "X", "How soon repetitions stop to count (default 1.5)",
     "되풀이가 얼마나 빨리 포화되는지 (기본값 1.5)"},
    {"--b", "", "X", "How much length counts, 0 to 1 (default 0.75)",
     "길이를 얼마나 따지는지, 0에서 1 (기본값 0.75)"},
    {"--delta", "", "X", "Of bm25l and bm25+ (default 0.5)",
     "bm25l과 bm25+의 값 (기본값 0.5)"},
    {"--top", "", "K", "search: so many documents (default 10)",
     "search: 보여 줄 문서의 수 (기본값 10)"},
};

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_COUNTING_OPTIONS_H_
