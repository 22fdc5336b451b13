// The options of the verbs of models with a head, for the table of verbs.
#ifndef MALMOI_CLI_HEAD_OPTIONS_H_
#define MALMOI_CLI_HEAD_OPTIONS_H_

#include "cli/verbs.h"

namespace malmoi::cli {

inline constexpr OptionSpec kAdapter = {
    "--adapter", "", "DIR[:SCALE]",
    "Apply a LoRA adapter: a PEFT folder or a GGUF (may be repeated)",
    "LoRA 어댑터를 더합니다: PEFT 폴더 또는 GGUF (여러 번 가능)"};

inline constexpr OptionSpec kTruncate = {
    "--truncate", "", "",
    "Cut texts that are longer than the model reads, and say so",
    "모델이 읽는 길이보다 긴 글을 자르고 그렇다고 알립니다"};

inline constexpr OptionSpec kHeadModel = {
    "--model", "-m", "MODEL", "A Hugging Face folder with such a head",
    "그런 헤드가 있는 Hugging Face 폴더"};
inline constexpr OptionSpec kClassify[] = {
    kHeadModel,
    kAdapter,
    {"--top", "", "N", "Labels to print of each text (default: all)",
     "글마다 보여 줄 레이블 수 (기본값: 모두)"},
    kTruncate,
};
inline constexpr OptionSpec kTag[] = {
    kHeadModel,
    kAdapter,
    {"--join", "", "HOW",
     "none, simple (tokens of one label, the default), or words first by their "
     "first token, their average or max",
     "none, simple(같은 레이블의 토큰, 기본값), 또는 낱말을 먼저 first, "
     "average, "
     "max로"},
    kTruncate,
};
inline constexpr OptionSpec kFill[] = {
    kHeadModel,
    kAdapter,
    {"--top", "", "N", "Words to print for each mask (default 5)",
     "마스크마다 보여 줄 낱말 수 (기본값 5)"},
};
inline constexpr OptionSpec kAnswer[] = {
    kHeadModel,
    kAdapter,
    {"--top", "", "N", "Passages to print (default 1)",
     "보여 줄 구절 수 (기본값 1)"},
    {"--max-answer", "", "N", "Most tokens of a passage (default 15)",
     "구절의 최대 토큰 수 (기본값 15)"},
};
inline constexpr OptionSpec kRerank[] = {
    kHeadModel,
    kAdapter,
    {"--top", "", "N", "Texts to print (default: all)",
     "보여 줄 글의 수 (기본값: 모두)"},
    kTruncate,
};

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_HEAD_OPTIONS_H_
