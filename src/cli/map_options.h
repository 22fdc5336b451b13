// The options of malmoi map, for the table of verbs.
#ifndef MALMOI_CLI_MAP_OPTIONS_H_
#define MALMOI_CLI_MAP_OPTIONS_H_

#include "cli/verbs.h"

namespace malmoi::cli {

inline constexpr OptionSpec kMap[] = {
    {"--output", "-o", "FILE",
     "What to write: .svg or .png, .html (a page to explore), .npy, .jsonl or "
     ".csv (default: JSON lines on standard output)",
     "쓸 파일: .svg나 .png, .html(살펴보는 쪽), .npy, .jsonl, .csv (기본값: "
     "표준 출력에 JSON 줄)"},
    {"--model", "-m", "MODEL", "FILE has texts: embed them with this model",
     "FILE은 글입니다: 이 모델로 임베딩합니다"},
    {"--prompt", "", "NAME", "With --model: its prompt of this name",
     "--model과 함께: 그 모델의 프롬프트 이름"},
    {"--int8", "", "", "With --model: multiply in 8 bits, faster",
     "--model과 함께: 8비트로 곱해 더 빠르게"},
    {"--bf16", "", "", "With --model: multiply in bf16, fastest with AMX",
     "--model과 함께: bf16으로 곱합니다. AMX가 있으면 가장 빠릅니다"},
    {"--truncate", "", "", "With --model: cut texts it cannot read whole",
     "--model과 함께: 다 읽지 못하는 글을 자릅니다"},
    {"--top", "", "N", "Word vectors: the first N words (default 1000)",
     "낱말 벡터: 앞의 N개 낱말 (기본값 1000)"},
    {"--texts", "", "FILE", "What the points are: lines, CSV, TSV or JSONL",
     "점마다의 글: 줄, CSV, TSV 또는 JSONL"},
    {"--column", "", "NAME", "Which column has the texts (default: text)",
     "글이 있는 열 (기본값: text)"},
    {"--labels", "", "FILE",
     "Classes, as colours: a line each, or with --label a column",
     "색이 될 부류: 한 줄에 하나, 또는 --label의 열"},
    {"--label", "", "NAME",
     "Which column or key has them, of --labels, --texts or FILE",
     "부류가 있는 열이나 키: --labels, --texts 또는 FILE에서"},
    {"--method", "", "umap|pca", "How points are laid out (default umap)",
     "점을 놓는 방법 (기본값 umap)"},
    {"--dimensions", "", "N", "Of the map (default 2; pictures have 2)",
     "지도의 차원 (기본값 2; 그림은 2)"},
    {"--metric", "", "cosine|euclidean",
     "umap: how vectors are compared (default cosine)",
     "umap: 벡터를 비교하는 방법 (기본값 cosine)"},
    {"--neighbors", "", "N",
     "umap: neighbours that a point keeps near, itself included (default 15)",
     "umap: 가까이 둘 이웃의 수, 자신을 포함해 (기본값 15)"},
    {"--min-dist", "", "X", "umap: how near points may lie (default 0.1)",
     "umap: 점이 얼마나 가까이 놓일 수 있는지 (기본값 0.1)"},
    {"--spread", "", "X", "umap: the scale of the map (default 1)",
     "umap: 지도의 크기 (기본값 1)"},
    {"--epochs", "", "N",
     "umap: rounds of moving (default 500; 200 beyond 10000 points)",
     "umap: 옮기는 횟수 (기본값 500; 점이 10000개를 넘으면 200)"},
    {"--negative", "", "N", "umap: points that push, for each neighbour (5)",
     "umap: 이웃 하나에 밀어내는 점의 수 (기본값 5)"},
    {"--init", "", "spectral|pca|random", "umap: where points begin",
     "umap: 점이 시작하는 곳 (기본값 spectral)"},
    {"--seed", "", "N", "umap: same seed, same bytes (default 42)",
     "umap: 같은 시드는 같은 결과 (기본값 42)"},
    {"--no-quality", "", "", "Do not measure how many neighbours the map keeps",
     "지도가 이웃을 얼마나 지키는지 재지 않습니다"},
    {"--title", "", "TEXT", "Above the picture (default: the file's name)",
     "그림 위의 제목 (기본값: 파일 이름)"},
    {"--size", "", "WxH", "Pixels of .svg and .png (default 1000x800)",
     ".svg와 .png의 픽셀 (기본값 1000x800)"},
};

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_MAP_OPTIONS_H_
