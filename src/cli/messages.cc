// The Korean of what the program says, by the English phrase.
#include <algorithm>
#include <iterator>

#include "cli/terminal.h"

namespace malmoi::cli {

namespace {
struct Phrase {
  std::string_view english, korean;
};
constexpr Phrase kPhrases[] = {
    {"not enough memory", "메모리가 모자랍니다"},
    {"cannot open file", "파일을 열 수 없습니다"},
    {"cannot read file", "파일을 읽을 수 없습니다"},
    {"cannot write file", "파일을 쓸 수 없습니다"},
    {"cannot write", "쓸 수 없습니다"},
    {"cannot create folder", "폴더를 만들 수 없습니다"},
    {"cannot create link", "링크를 만들 수 없습니다"},
    {"cannot lock file", "파일을 잠글 수 없습니다"},
    {"cannot remove", "지울 수 없습니다"},
    {"no such file", "그런 파일이 없습니다"},
    {"no such model", "그런 모델이 없습니다"},
    {"not a model", "모델이 아닙니다"},
    {"the file is empty", "파일이 비어 있습니다"},
    {"pickled weights are refused, because loading them runs code",
     "피클 가중치는 읽는 것만으로 코드가 실행되므로 받지 않습니다"},
    {"a lone safetensors file has no configuration",
     "safetensors 파일 하나에는 설정이 없습니다"},
    {"no model in this folder", "이 폴더에는 모델이 없습니다"},
    {"no weights in this folder", "이 폴더에는 가중치가 없습니다"},
    {"truncated GGUF file", "GGUF 파일이 잘렸습니다"},
    {"not a GGUF file", "GGUF 파일이 아닙니다"},
    {"unsupported version of GGUF", "지원하지 않는 GGUF 판입니다"},
    {"absurd counts in the header", "머리말의 개수가 터무니없습니다"},
    {"truncated safetensors file", "safetensors 파일이 잘렸습니다"},
    {"unknown architecture", "알 수 없는 구조입니다"},
    {"tensors do not fit the architecture", "텐서가 구조와 맞지 않습니다"},
    {"a required setting is missing", "필요한 설정이 없습니다"},
    {"the model has no chat template", "모델에 대화 틀이 없습니다"},
    {"the chat template refused the conversation",
     "대화 틀이 이 대화를 거부했습니다"},
    {"unsupported kind of tokenizer model",
     "지원하지 않는 종류의 토크나이저입니다"},
    {"unsupported kind of pre-tokenizer",
     "지원하지 않는 종류의 전처리 토크나이저입니다"},
    {"unsupported kind of normalizer", "지원하지 않는 종류의 정규화입니다"},
    {"unsupported kind of decoder", "지원하지 않는 종류의 디코더입니다"},
    {"more tokens than the context holds",
     "문맥에 담을 수 있는 토큰보다 많습니다"},
    {"more than the model was trained for", "모델이 학습한 길이보다 깁니다"},
    {"the prompt is empty", "프롬프트가 비어 있습니다"},
    {"the text is empty", "글이 비어 있습니다"},
    {"invalid UTF-8", "올바른 UTF-8이 아닙니다"},
    {"invalid JSON", "올바른 JSON이 아닙니다"},
    {"value out of range", "값이 범위를 벗어났습니다"},
    {"not a number", "숫자가 아닙니다"},
    {"an empty stop string", "멈춤 글이 비어 있습니다"},
    {"unknown option", "알 수 없는 옵션입니다"},
    {"unknown verb", "알 수 없는 명령입니다"},
    {"an option needs a value", "옵션에 값이 필요합니다"},
    {"too many arguments", "인자가 너무 많습니다"},
    {"an argument is missing", "인자가 모자랍니다"},
    {"options that exclude each other", "함께 쓸 수 없는 옵션입니다"},
    {"no answer", "응답이 없습니다"},
    {"not found", "찾을 수 없습니다"},
    {"not allowed", "허용되지 않습니다"},
    {"access to this model must be asked for on its page",
     "이 모델은 그 쪽에서 사용 신청을 해야 합니다"},
    {"too many requests", "요청이 너무 많습니다"},
    {"the server failed", "서버가 실패했습니다"},
    {"the server refused the request", "서버가 요청을 거부했습니다"},
    {"the download was cancelled", "내려받기를 취소했습니다"},
    {"the downloaded file has another hash", "내려받은 파일의 해시가 다릅니다"},
    {"the source offers another file than the pinned one",
     "출처의 파일이 고정된 파일과 다릅니다"},
    {"the index does not list the wheel", "색인에 그 휠이 없습니다"},
    {"the model is not on this machine", "이 컴퓨터에 그 모델이 없습니다"},
    {"the model is not on this machine, and offline mode is on",
     "이 컴퓨터에 그 모델이 없고, 오프라인 상태입니다"},
    {"only downloaded models are removed", "내려받은 모델만 지웁니다"},
    {"no such quantization", "그런 양자화가 없습니다"},
    {"malmoi ships no reference for this file",
     "이 파일의 기준값이 malmoi에 없습니다"},
    {"a bug in malmoi", "malmoi의 오류입니다"},
    // hints and words
    {"downloading it again", "다시 내려받기"},
    {"checking the connection", "연결 확인"},
    {"a token in HF_TOKEN", "HF_TOKEN에 토큰 넣기"},
    {"again later", "나중에 다시"},
    {"again in some minutes", "몇 분 뒤에 다시"},
    {"a shorter prompt or --sliding-window",
     "더 짧은 프롬프트나 --sliding-window"},
    {"a .gguf file or a Hugging Face folder",
     ".gguf 파일이나 Hugging Face 폴더"},
    {"another quantization of the model", "모델의 다른 양자화"},
    {"converting it with iconv", "iconv로 변환하기"},
    {"notice", "알림"},
    {"error", "오류"},
    {"downloading", "내려받기"},
    {"licence", "라이선스"},
    {"licence not stated", "라이선스 표시 없음"},
    {"left", "남음"},
    {"Usage", "사용법"},
    {"Verbs", "명령"},
    {"Options", "옵션"},
    {"Examples", "예"},
    {"prompt", "프롬프트"},
    {"tokens", "토큰"},
    {"first token", "첫 토큰"},
    {"in", "입력"},
    {"out", "출력"},
    {"memory", "메모리"},
    {"name", "이름"},
    {"size", "크기"},
    {"source", "출처"},
    {"path", "경로"},
    {"architecture", "구조"},
    {"parameters", "매개변수"},
    {"quantization", "양자화"},
    {"context", "문맥"},
    {"license", "라이선스"},
    {"tasks", "하는 일"},
    {"no models here yet; try: malmoi pull smollm2",
     "아직 모델이 없습니다; 해 볼 것: malmoi pull smollm2"},
};
}  // namespace

std::string Translate(std::string_view english) {
  if (Korean()) {
    for (const Phrase& phrase : kPhrases) {
      if (phrase.english == english) return std::string(phrase.korean);
    }
  }
  return std::string(english);
}

}  // namespace malmoi::cli
