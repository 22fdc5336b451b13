// The options of malmoi word2vec, apart from the table of verbs, which would be
// too long with them.
#ifndef MALMOI_CLI_WORD2VEC_OPTIONS_H_
#define MALMOI_CLI_WORD2VEC_OPTIONS_H_

#include "cli/counting_options.h"
#include "cli/embed_options.h"
#include "cli/verbs.h"

namespace malmoi::cli {

inline constexpr OptionSpec kWord2VecTrain[] = {
    {"--output", "-o", "FILE",
     "What to write: .txt or .vec text, .bin binary (with subwords: "
     "fastText's),"
     " .npy with .vocab",
     "쓸 파일: .txt나 .vec는 텍스트, .bin은 이진(부분 단어가 있으면 "
     "fastText 형식), .npy는 .vocab과 함께"},
    {"--format", "", "NAME", "text, binary, glove, npy or fasttext",
     "text, binary, glove, npy, fasttext 가운데 하나"},
    {"--cbow", "", "", "The word from its neighbours, not they from it",
     "이웃에서 낱말을 맞힙니다 (기본값은 skip-gram)"},
    {"--hierarchical", "", "", "Hierarchical softmax, not negative sampling",
     "음성 표집 대신 계층적 소프트맥스"},
    {"--dimensions", "-d", "N", "Of a vector (default 100)",
     "벡터의 차원 수 (기본값 100)"},
    {"--window", "", "N", "Words to each side at most (default 5)",
     "양쪽으로 볼 낱말 수의 최댓값 (기본값 5)"},
    {"--negatives", "", "N", "Random words for each word (default 5)",
     "낱말마다 뽑는 무작위 낱말 수 (기본값 5)"},
    {"--epochs", "-e", "N", "Times to read the corpus (default 5)",
     "말뭉치를 읽는 횟수 (기본값 5)"},
    {"--min-count", "", "N",
     "Leave out words that are rarer (default 5; classify-train 1)",
     "이보다 드문 낱말은 뺍니다 (기본값 5; classify-train은 1)"},
    {"--subsample", "", "T",
     "Thin out words with a larger share (default 1e-3)",
     "비중이 이보다 큰 낱말을 솎아냅니다 (기본값 1e-3)"},
    {"--rate", "", "X",
     "First learning rate (default 0.025; cbow 0.05; classify-train 0.1)",
     "처음 학습률 (기본값 0.025; cbow 0.05; classify-train 0.1)"},
    {"--seed", "", "N", "Same seed, same bytes (default 1)",
     "같은 시드는 같은 결과 (기본값 1)"},
    {"--lower", "", "", "Lower case", "소문자로 바꿉니다"},
    kWordRuleOption,
    {"--phrases", "", "N", "Join words that go together, in N passes",
     "함께 다니는 낱말을 N번에 걸쳐 잇습니다"},
    {"--phrase-threshold", "", "X", "Higher: fewer phrases (default 100)",
     "클수록 구가 적어집니다 (기본값 100)"},
    {"--subwords", "", "MIN-MAX", "Also parts of words of so many characters",
     "그 길이의 부분 단어도 배웁니다 (예: 3-6)"},
    {"--buckets", "", "N", "Rows for parts of words (default 2000000)",
     "부분 단어를 담을 행 수 (기본값 2000000)"},
    {"--word-ngrams", "", "N", "classify-train: up to N words in a row",
     "classify-train: 잇따른 낱말 N개까지"},
    {"--loss", "", "NAME", "classify-train: softmax, hs, ns or ova",
     "classify-train: softmax, hs, ns, ova 가운데 하나"},
    {"--resume", "", "", "Go on from FILE.checkpoint",
     "FILE.checkpoint에서 이어서 합니다"},
    {"--checkpoint-every", "", "S", "Seconds between checkpoints (default 300)",
     "체크포인트 사이의 초 (기본값 300)"},
};
inline constexpr OptionSpec kWord2Vec[] = {
    {"--top", "", "N",
     "Words or labels to print (default 10; classify 1; map 1000)",
     "보여 줄 낱말이나 레이블의 수 (기본값 10; classify는 1, map은 1000)"},
    {"--multiply", "", "", "Analogies by 3CosMul", "3CosMul로 유추합니다"},
    {"--first", "", "N", "Only the first N words (default: all; eval 300000)",
     "앞의 낱말 N개만 (기본값: 모두; eval은 300000)"},
    {"--case", "", "", "eval: upper and lower case differ",
     "eval: 대소문자를 구별합니다"},
    {"--unknown-wrong", "", "", "eval: unknown words count as wrong",
     "eval: 모르는 낱말은 틀린 것으로 셉니다"},
    kKeepFirstOption,
    {"--method", "", "umap|pca", "map: as malmoi map", "map: malmoi map처럼"},
    {"--neighbors", "", "N", "map: as malmoi map", "map: malmoi map처럼"},
    {"--labels", "", "FILE", "map: as malmoi map", "map: malmoi map처럼"},
    {"--title", "", "TEXT", "map: as malmoi map", "map: malmoi map처럼"},
    kVocabularyOption,
};

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_WORD2VEC_OPTIONS_H_
