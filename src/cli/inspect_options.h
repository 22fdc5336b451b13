// The options of malmoi inspect, apart from the table of verbs.
#ifndef MALMOI_CLI_INSPECT_OPTIONS_H_
#define MALMOI_CLI_INSPECT_OPTIONS_H_

#include "cli/verbs.h"

namespace malmoi::cli {

inline constexpr OptionSpec kInspect[] = {
    {"--output", "-o", "FILE",
     "Write .svg, .html, .json or .npz in place of text",
     "글 대신 .svg, .html, .json 또는 .npz 파일을 씁니다"},
    {"--layer", "", "L", "attention, layers: this layer, counted from 1",
     "attention, layers: 이 층 (1부터 셉니다)"},
    {"--head", "", "H",
     "attention: this head of the layer, counted from 1 (default: their mean)",
     "attention: 그 층의 이 헤드 (1부터; 기본값: 헤드들의 평균)"},
    {"--all", "", "", "attention: every head of every layer, or of --layer",
     "attention: 모든 층(또는 --layer)의 모든 헤드"},
    {"--rollout", "", "",
     "attention: how much of each token has reached each position, through all "
     "layers",
     "attention: 모든 층을 지나며 각 토큰이 각 자리에 얼마나 닿았는지"},
    {"--attention", "", "encoder|decoder|cross",
     "Which attention of an encoder-decoder (default: cross with --target)",
     "인코더-디코더의 어느 어텐션인지 (기본값: --target이 있으면 cross)"},
    {"--target", "", "TEXT", "What an encoder-decoder writes for the text",
     "인코더-디코더가 그 글에 대해 쓰는 글"},
    {"--from-language", "", "LANGUAGE", "Of the text, as translate --from",
     "글의 언어 (translate의 --from)"},
    {"--to-language", "", "LANGUAGE", "Of the target, as translate --to",
     "쓰는 글의 언어 (translate의 --to)"},
    {"--top", "", "K",
     "Tokens to tell of each prediction (default: next 10, lens 5)",
     "예측마다 보여 줄 토큰 수 (기본값: next 10, lens 5)"},
    {"--from", "", "N", "The first position to show, counted from 1",
     "보여 줄 첫 자리 (1부터)"},
    {"--to", "", "N", "The last position to show", "보여 줄 마지막 자리"},
    {"--file", "", "FILE",
     "The text, or of layers the sentences: a line each, or SENSE<tab>SENTENCE",
     "글, 또는 layers의 문장들: 한 줄에 하나, 또는 뜻<탭>문장"},
    {"--center", "", "",
     "layers: take the mean over the sentences away before comparing",
     "layers: 비교하기 전에 문장들의 평균을 뺍니다"},
    {"--chat", "", "", "The text is a user's turn, by the chat template",
     "글을 대화 틀에 따른 사용자의 말로 봅니다"},
    {"--special", "", "", "Special tokens in the text are such tokens",
     "글 속의 특수 토큰을 특수 토큰으로 봅니다"},
    {"--context", "", "N",
     "surprisal: tokens of a window (default: the model's context)",
     "surprisal: 창의 토큰 수 (기본값: 모델의 문맥)"},
    {"--exact", "", "",
     "Weights and activations in 32 bits: slow, for checking",
     "가중치와 활성값을 32비트로: 느리지만 확인용입니다"},
    {"--adapter", "", "DIR[:SCALE]",
     "Apply a LoRA adapter: a PEFT folder or a GGUF (may be repeated)",
     "LoRA 어댑터를 더합니다: PEFT 폴더 또는 GGUF (여러 번 가능)"},
};

inline constexpr VerbSpec kInspectVerb = {
    "inspect",
    "VIEW MODEL [TEXT...]",
    2,
    -1,
    "Look inside: attention, layers, states, lens, next, surprisal",
    "모델 속 보기: 어텐션, 층, 상태, 로짓 렌즈, 다음 토큰, 놀라움",
    kInspect,
    {},
    "malmoi inspect attention minilm \"The bank raised its rates.\"\n"
    "malmoi inspect attention minilm --layer 3 --head 5 \"The bank raised "
    "its rates.\"\n"
    "malmoi inspect attention smollm2 --all -o heads.html \"To be or not to "
    "be\"\n"
    "malmoi inspect attention ./opus-mt-de-en --target \"Good morning.\" "
    "\"Guten Morgen.\"\n"
    "malmoi inspect layers minilm apple --file examples/book/apple.txt\n"
    "malmoi inspect layers minilm apple --file examples/book/apple.txt -o "
    "apple.svg\n"
    "malmoi inspect states smollm2 \"The capital of France\" -o states.npz\n"
    "malmoi inspect lens smollm2 \"The capital of France is\"\n"
    "malmoi inspect next smollm2 --top 5 \"The capital of France is\"\n"
    "malmoi inspect surprisal smollm2 --file book.txt -o book.html",
    InspectVerb};

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_INSPECT_OPTIONS_H_
