// The options of embed and similar, for the table of verbs.
#ifndef MALMOI_CLI_EMBED_OPTIONS_H_
#define MALMOI_CLI_EMBED_OPTIONS_H_

#include "cli/counting_options.h"
#include "cli/verbs.h"

namespace malmoi::cli {

// How files of word vectors are read.
inline constexpr OptionSpec kKeepFirstOption = {
    "--keep-first", "", "", "Of a word that comes twice take the first",
    "두 번 나오는 낱말은 첫 벡터를 씁니다"};
inline constexpr OptionSpec kVocabularyOption = {
    "--vocabulary", "", "FILE", "The words of an .npy file (default: .vocab)",
    ".npy 파일의 낱말 목록 (기본값: .vocab)"};

inline constexpr OptionSpec kEmbedder[] = {
    {"--model", "-m", "MODEL",
     "An embedder, or a file of word vectors (default: minilm)",
     "임베딩 모델 또는 낱말 벡터 파일 (기본값: minilm)"},
    {"--adapter", "", "DIR[:SCALE]",
     "Apply a LoRA adapter: a PEFT folder or a GGUF (may be repeated)",
     "LoRA 어댑터를 더합니다: PEFT 폴더 또는 GGUF (여러 번 가능)"},
    {"--int8", "", "", "Multiply in 8 bits: faster, vectors nearly the same",
     "8비트로 곱합니다: 더 빠르고 벡터는 거의 같습니다"},
    {"--bf16", "", "",
     "Multiply in bf16: vectors nearer than in 8 bits, and on processors with "
     "AMX the fastest",
     "bf16으로 곱합니다: 8비트보다 정확하고, AMX가 있는 프로세서에서 가장 "
     "빠릅니다"},
    {"--prompt", "", "NAME",
     "The model's prompt of this name, in front of every text (default: the "
     "model's default)",
     "글마다 앞에 둘 모델의 프롬프트 이름 (기본값: 모델의 기본 프롬프트)"},
    {"--prompt-text", "", "TEXT",
     "This, in front of every text; empty: no prompt",
     "글마다 앞에 둘 글; 비어 있으면 프롬프트 없음"},
    {"--dimensions", "", "N",
     "The first N components only, brought to length 1 (Matryoshka)",
     "처음 N개의 성분만, 길이 1로 맞춥니다 (마트료시카)"},
    {"--long", "", "error|truncate|chunk",
     "Texts longer than the model reads: an error (default), cut, or read in "
     "windows whose vectors are averaged",
     "모델이 읽는 길이보다 긴 글: 오류(기본값), 자르기, 또는 창으로 나누어 "
     "읽고 "
     "벡터를 평균하기"},
    {"--overlap", "", "N",
     "Tokens that windows share (default: an eighth of a window)",
     "창이 서로 겹치는 토큰 수 (기본값: 창의 8분의 1)"},
    {"--truncate", "", "", "The same as --long truncate",
     "--long truncate와 같습니다"},
    {"--sif", "", "",
     "Word vectors: rare words weigh more, and what the texts have in common "
     "is taken away",
     "낱말 벡터: 드문 낱말에 무게를 더 주고, 글들에 공통된 성분을 뺍니다"},
    {"--component", "", "FILE.npy",
     "--sif: take this component away, not that of these texts",
     "--sif: 이 글들의 성분 대신 이 성분을 뺍니다"},
    {"--save-component", "", "FILE.npy", "--sif: keep the component",
     "--sif: 뺀 성분을 저장합니다"},
    {"--counts", "", "FILE",
     "--sif: lines of a word and its count (default: a fastText model's, or "
     "by rank)",
     "--sif: 낱말과 횟수의 줄 (기본값: fastText 모델의 것 또는 순위로)"},
    kWordRuleOption,
    {"--lower", "", "", "Word vectors: texts in lower case",
     "낱말 벡터: 글을 소문자로 바꿉니다"},
    kKeepFirstOption,
    kVocabularyOption,
};

inline constexpr OptionSpec kEmbed[] = {
    {"--file", "", "FILE",
     "Texts from this file: a line each, or JSONL with \"text\"",
     "이 파일의 글: 한 줄에 하나, 또는 \"text\"가 있는 JSONL"},
    {"--output", "", "text|jsonl|base64|npy",
     "How vectors are written (default text; --json: jsonl)",
     "벡터를 쓰는 형식 (기본값 text; --json이면 jsonl)"},
    {"--save", "", "FILE", "Where --output npy is written",
     "--output npy를 쓸 파일"},
    {"--precision", "", "TYPE",
     "float32 (default), int8, uint8, binary or ubinary",
     "float32(기본값), int8, uint8, binary 또는 ubinary"},
    {"--ranges", "", "FILE.npy",
     "For int8 and uint8: the least and greatest value of each component",
     "int8과 uint8에 쓸 성분마다의 최솟값과 최댓값"},
    {"--save-ranges", "", "FILE.npy", "Keep those of these texts' vectors",
     "이 글들의 벡터에서 그 값들을 저장합니다"},
    {"--normalize", "", "",
     "Bring vectors to length 1, also where the model does not",
     "모델이 하지 않더라도 벡터의 길이를 1로 맞춥니다"},
    {"--per-token", "", "", "A vector for every token, not one for the text",
     "글마다 하나가 아니라 토큰마다 벡터를 냅니다"},
};

inline constexpr OptionSpec kSimilar[] = {
    {"--in", "", "FILE",
     "Search the lines of this file: for the texts, or with --pairs or "
     "--duplicates in place of standard input",
     "이 파일의 줄에서 글과 가까운 것을 찾습니다; --pairs나 --duplicates에서는 "
     "표준 입력 대신 읽습니다"},
    {"--top", "", "K", "Lines to print for each text (default 5)",
     "글마다 보여 줄 줄 수 (기본값 5)"},
    {"--pairs", "", "",
     "Each line is two texts: parted by a tab, or a JSON list of two",
     "한 줄이 두 글입니다: 탭으로 나누거나 JSON 목록으로"},
    {"--duplicates", "", "", "All pairs of lines that mean nearly the same",
     "뜻이 거의 같은 줄의 모든 짝"},
    {"--threshold", "", "T", "The least cosine of a pair (default 0.9)",
     "짝이 되는 최소 코사인 (기본값 0.9)"},
    {"--document-prompt", "", "NAME",
     "The prompt of what is searched, where it is not that of the texts",
     "찾는 대상의 프롬프트 (글의 프롬프트와 다를 때)"},
};

inline constexpr OptionSpec kDistill[] = {
    {"--output", "-o", "FOLDER", "Where the vectors go, as model2vec has them",
     "벡터를 model2vec 형식으로 쓸 폴더"},
    {"--dimensions", "-d", "N",
     "Principal components to keep (default at most 256; 0: all as they are)",
     "남길 주성분의 수 (기본값은 많아야 256; 0: 그대로 모두)"},
    {"--sif-weight", "", "A",
     "Tokens weigh A / (A + p), p by Zipf's law (default 1e-4; 0: all alike)",
     "토큰의 무게 A / (A + p), p는 지프의 법칙 (기본값 1e-4; 0: 모두 같게)"},
    {"--float32", "", "", "Keep 32 bits of a value, not 16",
     "값을 16비트 대신 32비트로 씁니다"},
};

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_EMBED_OPTIONS_H_
