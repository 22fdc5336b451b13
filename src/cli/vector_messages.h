// The Korean of what the verbs of words, vectors, maps and models' insides
// say; the others' are in messages.cc.
#ifndef MALMOI_CLI_VECTOR_MESSAGES_H_
#define MALMOI_CLI_VECTOR_MESSAGES_H_

#include <string_view>

namespace malmoi::cli {

struct Phrase {
  std::string_view english, korean;
};

inline constexpr Phrase kVectorPhrases[] = {
    {"neighbours", "이웃"},
    {"graph", "그래프"},
    {"layout", "배치"},
    {"quality", "품질"},
    {"points", "개의 점"},
    {"trustworthiness", "신뢰도"},
    {"neighbours kept", "지킨 이웃"},
    {"no vectors", "벡터가 없습니다"},
    {"a value that is no finite number", "유한한 수가 아닌 값이 있습니다"},
    {"all points are equal", "모든 점이 같습니다"},
    {"too few points for a map", "지도를 만들기에 점이 너무 적습니다"},
    {"neighbours do not fit the points", "이웃 수가 점의 수와 맞지 않습니다"},
    {"a vector of another length", "길이가 다른 벡터입니다"},
    {"another number of labels than of vectors",
     "레이블의 수가 벡터의 수와 다릅니다"},
    {"another number of texts than of vectors",
     "글의 수가 벡터의 수와 다릅니다"},
    {"unknown form of a map", "모르는 지도 형식입니다"},
    {"a picture has two dimensions", "그림은 2차원입니다"},
    {"texts need a model that embeds them",
     "글에는 임베딩할 모델이 필요합니다"},
    {"no vector in this line", "이 줄에 벡터가 없습니다"},
    {"not a matrix", "행렬이 아닙니다"},
    {"min-dist and spread do not go together",
     "min-dist와 spread가 서로 맞지 않습니다"},
    {"no such choice", "그런 선택은 없습니다"},
    {"no known word; its vector is zero", "아는 낱말이 없어 벡터가 0입니다"},
    {"vectors", "벡터"},
    {"too long for one vector", "벡터 하나로 만들기에는 너무 깁니다"},
    {"of the variance", "분산"},
    {"only a folder with tokenizer.json is distilled",
     "tokenizer.json이 있는 폴더에서만 만들 수 있습니다"},
    {"no table of vectors", "벡터 표가 없습니다"},
    {"fewer vectors than the tokenizer has tokens",
     "벡터가 토크나이저의 토큰보다 적습니다"},
    {"nothing is multiplied in a table of static vectors",
     "정적 벡터 표에는 곱할 것이 없습니다"},
    {"nothing is multiplied with word vectors",
     "낱말 벡터에는 곱할 것이 없습니다"},
    {"the model is no file of word vectors",
     "모델이 낱말 벡터 파일이 아닙니다"},
    {"a classifier has no vectors of words alone",
     "분류기에는 낱말만의 벡터가 없습니다"},
    {"a component of other dimensions", "차원이 다른 성분입니다"},
    {"not a component", "성분이 아닙니다"},
    {"not a word and its count", "낱말과 횟수가 아닙니다"},
    {"too few texts to tell what they have in common",
     "공통 성분을 알기에는 글이 너무 적습니다"},
};

}  // namespace malmoi::cli

#endif  // MALMOI_CLI_VECTOR_MESSAGES_H_
