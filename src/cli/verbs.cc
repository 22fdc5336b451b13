#include "cli/verbs.h"

#include "cli/counting_options.h"
#include "cli/embed_options.h"
#include "cli/head_options.h"
#include "cli/inspect_options.h"
#include "cli/map_options.h"
#include "cli/word2vec_options.h"

namespace malmoi::cli {

namespace {

constexpr OptionSpec kCommon[] = {
    {"--json", "", "", "Print JSON, one object per result",
     "결과를 JSON으로 출력합니다"},
    {"--threads", "-t", "N", "Threads to use (default: all processors)",
     "사용할 스레드 수 (기본값: 모든 프로세서)"},
    {"--help", "-h", "", "Print this help", "이 도움말을 출력합니다"},
};

constexpr OptionSpec kGeneration[] = {
    {"--model", "-m", "MODEL",
     "Alias, org/repo[:QUANT] or path (default: smollm2, or MALMOI_MODEL)",
     "별칭, org/repo[:QUANT] 또는 경로 (기본값: smollm2 또는 MALMOI_MODEL)"},
    kAdapter,
    {"--system", "-s", "TEXT", "System message of the conversation",
     "대화의 시스템 메시지"},
    {"--max-tokens", "-n", "N", "At most N tokens (default: until it ends)",
     "최대 N개의 토큰 (기본값: 끝날 때까지)"},
    {"--temperature", "", "T", "0 takes the most probable token (default 0.7)",
     "0이면 가장 그럴듯한 토큰을 고릅니다 (기본값 0.7)"},
    {"--top-k", "", "K", "Only the K most probable tokens (default 40, 0: off)",
     "가장 그럴듯한 K개만 (기본값 40, 0: 끔)"},
    {"--top-p", "", "P", "Only the most probable with mass P (default 0.95)",
     "누적 확률 P까지만 (기본값 0.95)"},
    {"--min-p", "", "P", "Only those with P times the best's probability",
     "최고 확률의 P배 이상만"},
    {"--typical", "", "P", "Locally typical sampling with mass P",
     "국소 전형 표집, 누적 확률 P"},
    {"--repetition-penalty", "", "X", "Divides the logits of seen tokens",
     "이미 나온 토큰의 로짓을 나눕니다"},
    {"--presence-penalty", "", "X", "Subtracted once from seen tokens",
     "이미 나온 토큰에서 한 번 뺍니다"},
    {"--frequency-penalty", "", "X", "Subtracted per occurrence",
     "나온 횟수만큼 뺍니다"},
    {"--penalty-window", "", "N",
     "Last tokens that count (default 64; -1: all)",
     "벌점에 세는 마지막 토큰 수 (기본값 64; -1: 전부)"},
    {"--dry-multiplier", "", "X", "Penalty on repeated sequences (0: off)",
     "반복되는 토큰열에 대한 벌점 (0: 끔)"},
    {"--dry-base", "", "X", "Growth of that penalty (default 1.75)",
     "그 벌점의 증가율 (기본값 1.75)"},
    {"--dry-allowed-length", "", "N", "Free length of a repeat (default 2)",
     "벌점 없는 반복 길이 (기본값 2)"},
    {"--dry-window", "", "N", "Last tokens searched (default -1: all)",
     "찾아볼 마지막 토큰 수 (기본값 -1: 전부)"},
    {"--stop", "", "TEXT", "Stop before this text (may be repeated)",
     "이 글이 나오면 멈춥니다 (여러 번 가능)"},
    {"--seed", "", "N", "Same seed, same text (default 0)",
     "같은 시드는 같은 글 (기본값 0)"},
    {"--context", "", "N", "Tokens of context (default: the model's)",
     "문맥의 토큰 수 (기본값: 모델의 것)"},
    {"--kv", "", "f16|q8|f32",
     "Type of keys and values; q8 halves their memory (default f16)",
     "키와 값의 형식; q8은 메모리를 반으로 줄입니다 (기본값 f16)"},
    {"--sliding-window", "", "N",
     "When the context is full, go on with the last N tokens",
     "문맥이 차면 마지막 N개 토큰으로 계속합니다"},
    {"--session", "", "FILE",
     "Keep what was computed; the next run skips a common beginning",
     "계산한 것을 보관합니다; 다음 실행은 같은 앞부분을 건너뜁니다"},
    {"--lookup", "", "on|off|auto",
     "Guess from earlier text; faster, same answer (default auto)",
     "앞의 글에서 추측합니다; 빨라질 뿐 답은 같습니다 (기본값 auto)"},
};

constexpr OptionSpec kRun[] = {
    {"--raw", "", "", "Continue the text; no chat template",
     "대화 틀 없이 글을 이어 씁니다"},
    {"--logprobs", "", "K", "With --json: log-probabilities and the K best",
     "--json과 함께: 로그 확률과 상위 K개"},
    {"--explain", "", "", "Show each step: prompt, tokens, probabilities",
     "각 단계를 보여 줍니다: 프롬프트, 토큰, 확률"},
    {"--ignore-end", "", "", "Go on after the end of the answer",
     "답의 끝에서 멈추지 않습니다"},
    {"--parallel", "", "N",
     "JSON lines: answer N at once; same answers, same order (default 1)",
     "JSON 줄: N개씩 한꺼번에 답합니다; 답과 순서는 같습니다 (기본값 1)"},
};

constexpr OptionSpec kModel[] = {
    {"--model", "-m", "MODEL", "Whose tokenizer (default: smollm2)",
     "어느 모델의 토크나이저인지 (기본값: smollm2)"},
    {"--no-special", "", "", "Special tokens in the text are plain text",
     "글 속의 특수 토큰을 보통 글로 봅니다"},
    {"--sentences", "", "", "Sentences (UAX #29) in place of tokens; no model",
     "토큰 대신 문장(UAX #29)을 보여 줍니다; 모델이 필요 없습니다"},
    kWordRuleOption,
};

constexpr OptionSpec kTranslate[] = {
    {"--from", "", "LANGUAGE", "Of the text, where the model must be told",
     "글의 언어 (모델에 알려야 하는 경우)"},
    {"--to", "", "LANGUAGE", "Of the translation, as the model names it, or de",
     "번역문의 언어: 모델이 부르는 이름 또는 de 같은 코드"},
};

constexpr OptionSpec kSearch[] = {
    {"--model", "-m", "MODEL", "An encoder-decoder: org/repo or a folder",
     "인코더-디코더: org/repo 또는 폴더"},
    kAdapter,
    {"--beams", "", "N", "Beginnings kept in the search (default: the model's)",
     "탐색에서 지키는 앞부분의 수 (기본값: 모델의 것)"},
    {"--length-penalty", "", "P",
     "Above 0 favours long texts (default: the model's)",
     "0보다 크면 긴 글을 고릅니다 (기본값: 모델의 것)"},
    {"--no-repeat-ngram", "", "N",
     "No sequence of N tokens comes twice; 0: off (default: the model's)",
     "토큰 N개의 같은 열이 두 번 나오지 않습니다; 0: 끔 (기본값: 모델의 것)"},
    {"--max-tokens", "-n", "N", "At most N tokens (default: the model's)",
     "최대 N개의 토큰 (기본값: 모델의 것)"},
};

constexpr OptionSpec kBench[] = {
    {"--prompt", "", "N", "Tokens of the prompt (default 512)",
     "프롬프트의 토큰 수 (기본값 512)"},
    {"--decode", "", "N", "Tokens to generate (default 128)",
     "생성할 토큰 수 (기본값 128)"},
    {"--depth", "", "N", "Random tokens in the context before generating",
     "생성하기 전에 문맥에 넣을 임의 토큰 수"},
    {"--kv", "", "f16|q8|f32",
     "Type of keys and values; q8 halves their memory (default f16)",
     "키와 값의 형식; q8은 메모리를 반으로 줄입니다 (기본값 f16)"},
    {"--sequences", "", "N", "Sequences that generate at once (default 1)",
     "동시에 생성하는 시퀀스 수 (기본값 1)"},
    {"--repetitions", "-r", "N", "Runs of each; the median counts (default 5)",
     "반복 횟수; 중앙값을 씁니다 (기본값 5)"},
    kAdapter,
};

constexpr OptionSpec kFit[] = {
    {"--context", "", "N",
     "Tokens of context to plan for (default: 4096, or the model's if less)",
     "계획할 문맥의 토큰 수 (기본값: 4096, 모델의 것이 더 작으면 그만큼)"},
};

constexpr OptionSpec kEval[] = {
    {"--context", "", "N", "Tokens of a window (default: the model's)",
     "창의 토큰 수 (기본값: 모델의 것)"},
    {"--kv", "", "f16|q8|f32",
     "Type of keys and values; q8 halves their memory (default f16)",
     "키와 값의 형식; q8은 메모리를 반으로 줄입니다 (기본값 f16)"},
    {"--reference", "", "MODEL",
     "Also how far the predictions are from this model's (KL divergence)",
     "이 모델의 예측과 얼마나 다른지도 잽니다 (KL 발산)"},
    kAdapter,
};

constexpr OptionSpec kQuantize[] = {
    {"--type", "", "TYPE",
     "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K IQ4_NL F16 BF16 F32 for all "
     "matrices, or a mixture: Q4_K_S Q4_K_M Q5_K_S Q5_K_M",
     "모든 행렬의 형식 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q4_K Q5_K Q6_K IQ4_NL F16 BF16 "
     "F32, 또는 섞은 것: Q4_K_S Q4_K_M Q5_K_S Q5_K_M"},
    {"--importance", "", "FILE",
     "A text to learn from which inputs weigh most, or a saved result (GGUF)",
     "어느 입력이 중요한지 알아낼 글, 또는 저장해 둔 결과 (GGUF)"},
    {"--importance-tokens", "", "N",
     "Read at most N tokens of that text (default 65536)",
     "그 글에서 최대 N개의 토큰만 읽습니다 (기본값 65536)"},
    {"--save-importance", "", "FILE", "Keep what was learnt, as GGUF",
     "알아낸 것을 GGUF로 저장합니다"},
    {"--force", "", "", "Replace an existing output",
     "이미 있는 출력 파일을 바꿉니다"},
};

constexpr OptionSpec kConvert[] = {
    {"--type", "", "TYPE",
     "F32, F16 or BF16 for all weights of a folder; otherwise each keeps its "
     "own",
     "폴더의 모든 가중치 형식: F32, F16, BF16; 없으면 그대로 둡니다"},
    kAdapter,
    {"--force", "", "", "Replace an existing output",
     "이미 있는 출력 파일을 바꿉니다"},
};

constexpr OptionSpec kDoctor[] = {
    {"--network", "", "", "Ask the endpoint whether it answers",
     "서버가 응답하는지 물어봅니다"},
};

constexpr OptionSpec kMan[] = {
    {"--markdown", "", "", "All pages as Markdown",
     "모든 쪽을 마크다운으로 출력합니다"},
};

constexpr VerbSpec kVerbs[] = {
    {"run", "[PROMPT...]", 0, -1, "Write an answer to a prompt",
     "프롬프트에 답을 씁니다", kRun, kGeneration,
     "malmoi run \"Create a funny joke about chickens.\"\n"
     "malmoi run --temperature 0 --max-tokens 50 \"What is a token?\"\n"
     "cat notes.txt | malmoi run \"Summarize this:\"\n"
     "malmoi run --explain \"Hello\"\n"
     "malmoi run -m ./base.gguf --adapter ./lora-folder \"Hello\"\n"
     "malmoi run --adapter ./style:0.5 --adapter ./facts \"Hello\"\n"
     "malmoi run --session pirate.kv --system \"$(cat pirate.txt)\" Ahoy\n"
     "cat draft.txt | malmoi run --lookup on \"Correct the spelling:\"\n"
     "cat prompts.jsonl | malmoi run --json --parallel 8 > answers.jsonl",
     RunVerb},
    {"chat",
     "",
     0,
     0,
     "Talk with a model",
     "모델과 대화합니다",
     {},
     kGeneration,
     "malmoi chat\n"
     "malmoi chat --system \"You answer in one sentence.\"\n"
     "malmoi chat -m ./model.gguf",
     ChatVerb},
    {"tokenize",
     "[TEXT...]",
     0,
     -1,
     "Show the tokens of a text",
     "글의 토큰을 보여 줍니다",
     kModel,
     {},
     "malmoi tokenize \"안녕하세요, tokens!\"\n"
     "malmoi tokenize --json \"one two\"\n"
     "malmoi tokenize --sentences < page.txt\n"
     "malmoi tokenize --words korean \"고양이가 우유를 마신다\"\n"
     "cat lines.txt | malmoi tokenize --json",
     TokenizeVerb},
    {"embed", "[TEXT...]", 0, -1, "Turn each text into a vector",
     "글마다 벡터 하나를 만듭니다", kEmbed, kEmbedder,
     "malmoi embed --json \"a text\" \"another one\"\n"
     "cat lines.txt | malmoi embed --json > vectors.jsonl\n"
     "malmoi embed --file texts.jsonl --output npy --save vectors.npy\n"
     "malmoi embed -m Qwen/Qwen3-Embedding-0.6B --prompt query --dimensions "
     "256 "
     "\"what is a token?\"\n"
     "malmoi embed --file book.txt --long chunk --precision ubinary "
     "--output base64",
     EmbedVerb},
    {"similar", "[TEXT...]", 0, -1,
     "How near in meaning texts are: to the first, in a file, in pairs",
     "글의 뜻이 얼마나 가까운지: 첫 글과, 파일 안에서, 짝끼리", kSimilar,
     kEmbedder,
     "malmoi similar \"a cat sleeps\" \"a kitten naps\" \"stocks fell\"\n"
     "malmoi similar --in questions.txt --top 5 \"where is my card?\"\n"
     "malmoi similar --pairs < pairs.tsv\n"
     "malmoi similar --duplicates --threshold 0.95 --in questions.txt",
     SimilarVerb},
    {"distill",
     "MODEL",
     1,
     1,
     "Make static vectors of tokens from an embedder",
     "임베딩 모델에서 토큰의 정적 벡터를 만듭니다",
     kDistill,
     {},
     "malmoi distill minilm -o minilm-static\n"
     "malmoi embed -m ./minilm-static \"a text\"",
     DistillVerb},
    {"vectorize", "fit|transform|fit-transform|top [MODEL] [FILE]", 1, 3,
     "Count the terms of texts: sparse vectors, TF-IDF",
     "글의 단위를 셉니다: 희소 벡터, TF-IDF", kVectorize, kCounting,
     "malmoi vectorize fit-transform reviews.txt --tfidf -o reviews.npz\n"
     "malmoi vectorize fit reviews.csv --column text --ngrams 1-2 -o "
     "words.npz\n"
     "malmoi vectorize transform words.npz more.txt -o more.npz\n"
     "malmoi vectorize top words.npz --top 20\n"
     "malmoi vectorize fit-transform 글.txt --words korean -o 글.npz",
     VectorizeVerb},
    {"bm25", "index FILE|search INDEX [QUERY...]", 2, -1,
     "Index texts by their words and find the best for a query",
     "글을 낱말로 색인하고 질의에 맞는 글을 찾습니다", kBm25, kCounting,
     "malmoi bm25 index passages.txt -o passages.bm25\n"
     "malmoi bm25 search passages.bm25 \"lift of a wing\" --top 5\n"
     "malmoi bm25 search passages.bm25 --json < queries.txt",
     Bm25Verb},
    {"map",
     "FILE [WORD...]",
     1,
     -1,
     "Lay vectors out as a map: a picture or a page to explore",
     "벡터를 지도로 펼칩니다: 그림 또는 살펴보는 쪽",
     kMap,
     {},
     "malmoi map questions.csv -m minilm --label category -o map.html\n"
     "malmoi map vectors.npy --labels labels.txt -o map.svg\n"
     "malmoi map vectors.bin king queen man woman -o words.svg\n"
     "malmoi embed --json --file a.txt | malmoi map - --method pca",
     MapVerb},
    {"word2vec", "ACTION FILE [WORD...]", 2, -1,
     "Train, ask and judge word vectors; classify texts with them",
     "낱말 벡터를 훈련하고 묻고 평가하며, 글을 분류합니다", kWord2Vec,
     kWord2VecTrain,
     "malmoi word2vec train corpus.txt -o vectors.txt\n"
     "malmoi word2vec train corpus.txt -o vectors.txt --resume\n"
     "malmoi word2vec train corpus.txt -o model.bin --subwords 3-6\n"
     "malmoi word2vec neighbors vectors.txt king queen\n"
     "malmoi word2vec analogy vectors.txt man king woman\n"
     "malmoi word2vec similar vectors.txt king queen apple\n"
     "malmoi word2vec map vectors.txt king queen man woman -o words.svg\n"
     "malmoi word2vec eval vectors.txt questions-words.txt wordsim353.tsv\n"
     "malmoi word2vec convert model.bin -o vectors.npy --format npy\n"
     "malmoi word2vec classify-train labelled.txt -o model.bin --epochs 25\n"
     "cat lines.txt | malmoi word2vec classify model.bin --json",
     Word2VecVerb},
    kInspectVerb,
    {"classify",
     "[TEXT...]",
     0,
     -1,
     "Label texts with a model that was trained for it",
     "그렇게 훈련된 모델로 글에 레이블을 붙입니다",
     kClassify,
     {},
     "malmoi classify -m ./sentiment \"What a film!\"\n"
     "cat reviews.txt | malmoi classify -m ./sentiment --json --top 1",
     ClassifyVerb},
    {"tag",
     "[TEXT...]",
     0,
     -1,
     "Find names and other entities in texts",
     "글에서 이름 같은 개체를 찾습니다",
     kTag,
     {},
     "malmoi tag -m ./ner \"Ada Lovelace lived in London.\"\n"
     "cat lines.txt | malmoi tag -m ./ner --join first --json",
     TagVerb},
    {"fill",
     "[TEXT...]",
     0,
     -1,
     "Guess the word behind [MASK]",
     "[MASK] 자리의 낱말을 짐작합니다",
     kFill,
     {},
     "malmoi fill -m ./bert \"Seoul is the [MASK] of Korea.\"",
     FillVerb},
    {"answer",
     "QUESTION [TEXT]",
     1,
     2,
     "Find the passage of a text that answers a question",
     "글에서 질문에 답하는 구절을 찾습니다",
     kAnswer,
     {},
     "malmoi answer -m ./squad \"Who wrote it?\" < page.txt",
     AnswerVerb},
    {"rerank",
     "QUERY [TEXT...]",
     1,
     -1,
     "Sort texts by how well they answer a query",
     "글을 질의에 잘 답하는 순서로 놓습니다",
     kRerank,
     {},
     "malmoi rerank -m ./cross-encoder \"capital of Korea\" < passages.txt",
     RerankVerb},
    {"translate", "[TEXT...]", 0, -1,
     "Translate each text, or each line of standard input",
     "글마다, 또는 표준 입력의 줄마다 번역합니다", kTranslate, kSearch,
     "malmoi translate -m ./nllb-200-600m --from eng_Latn "
     "--to kor_Hang \"Good morning.\"\n"
     "malmoi translate -m ./t5-small --from en --to de \"Good morning.\"\n"
     "malmoi translate -m ./opus-mt-de-en --beams 6 < german.txt\n"
     "malmoi translate -m ./opus-mt-de-en --json < texts.jsonl",
     TranslateVerb},
    {"summarize",
     "[TEXT...]",
     0,
     -1,
     "Summarize each text, or all of standard input",
     "글마다, 또는 표준 입력 전체를 요약합니다",
     {},
     kSearch,
     "malmoi summarize -m facebook/bart-large-cnn < article.txt\n"
     "malmoi summarize -m ./t5-small --max-tokens 60 --json < texts.jsonl",
     SummarizeVerb},
    {"pull",
     "MODEL",
     1,
     1,
     "Download a model",
     "모델을 내려받습니다",
     {},
     {},
     "malmoi pull smollm2\n"
     "malmoi pull gemma3-270m\n"
     "malmoi pull org/repo:Q4_K_M",
     PullVerb},
    {"ls",
     "",
     0,
     0,
     "List the models on this machine",
     "이 컴퓨터에 있는 모델을 보여 줍니다",
     {},
     {},
     "malmoi ls\nmalmoi ls --json",
     ListVerb},
    {"show",
     "MODEL",
     1,
     1,
     "Describe a model",
     "모델을 설명합니다",
     {},
     {},
     "malmoi show smollm2\nmalmoi show --json ./model.gguf",
     ShowVerb},
    {"rm",
     "MODEL",
     1,
     1,
     "Remove a downloaded model",
     "내려받은 모델을 지웁니다",
     {},
     {},
     "malmoi rm minilm",
     RemoveVerb},
    {"verify",
     "[MODEL]",
     0,
     1,
     "Re-check reference outputs here: of a model, or of every architecture",
     "기준 출력을 이 컴퓨터에서 다시 확인합니다: 모델 하나 또는 모든 구조",
     {},
     {},
     "malmoi verify smollm2\n"
     "malmoi verify\n"
     "malmoi verify qwen3\n"
     "malmoi verify ./my-model",
     VerifyVerb},
    {"bench",
     "[MODEL]",
     0,
     1,
     "Measure speed as a share of this machine's",
     "이 컴퓨터의 한계 대비 속도를 잽니다",
     kBench,
     {},
     "malmoi bench smollm2 --prompt 512 --decode 128\n"
     "malmoi bench smollm2 --depth 4096 --decode 64\n"
     "malmoi bench smollm2 --sequences 8\n"
     "malmoi bench --threads 1 --json",
     BenchVerb},
    {"fit",
     "MODEL",
     1,
     1,
     "Predict a model's memory and speed on this machine",
     "모델이 이 컴퓨터에서 쓸 메모리와 속도를 예측합니다",
     kFit,
     {},
     "malmoi fit smollm2\n"
     "malmoi fit ./model-f16.gguf --context 8192\n"
     "malmoi fit org/repo:Q4_K_M --json",
     FitVerb},
    {"eval",
     "perplexity MODEL FILE",
     3,
     3,
     "Measure perplexity on a text",
     "글에 대한 퍼플렉서티를 잽니다",
     kEval,
     {},
     "malmoi eval perplexity smollm2 book.txt\n"
     "malmoi eval perplexity smollm2 --context 512 --json book.txt\n"
     "malmoi eval perplexity ./small.gguf book.txt --reference ./model.gguf\n"
     "malmoi eval perplexity ./base book.txt --adapter ./lora-folder",
     EvalVerb},
    {"quantize",
     "IN OUT",
     2,
     2,
     "Write a GGUF model with smaller weights",
     "GGUF 모델의 가중치를 더 작게 다시 씁니다",
     kQuantize,
     {},
     "malmoi quantize model-f16.gguf model-q4.gguf --type Q4_K_M\n"
     "malmoi quantize smollm2 smollm2-q8.gguf --type Q8_0\n"
     "malmoi quantize in.gguf out.gguf --type Q4_K_M --importance book.txt\n"
     "malmoi quantize in.gguf out.gguf --type Q4_0 --importance saved.gguf",
     QuantizeVerb},
    {"convert",
     "MODEL OUT",
     2,
     2,
     "Write a Hugging Face folder as a GGUF file, or as a folder with adapters "
     "merged; a GGUF file as a folder",
     "Hugging Face 폴더를 GGUF 파일로, 또는 어댑터를 합친 폴더로, GGUF 파일을 "
     "폴더로 씁니다",
     kConvert,
     {},
     "malmoi convert ./my-finetune my-finetune.gguf\n"
     "malmoi quantize my-finetune.gguf my-finetune-q4.gguf --type Q4_K_M\n"
     "malmoi convert ./base ./merged --adapter ./lora --type BF16\n"
     "malmoi convert smollm2 ./smollm2 --type F32",
     ConvertVerb},
    {"doctor",
     "",
     0,
     0,
     "What this machine has and where things are",
     "이 컴퓨터의 사양과 파일 위치",
     kDoctor,
     {},
     "malmoi doctor\n"
     "malmoi doctor --network",
     DoctorVerb},
    {"completion",
     "bash|zsh|fish",
     1,
     1,
     "Print a completion script",
     "자동 완성 스크립트를 출력합니다",
     {},
     {},
     "source <(malmoi completion bash)\n"
     "malmoi completion fish > ~/.config/fish/completions/malmoi.fish",
     CompletionVerb},
    {"man",
     "[VERB]",
     0,
     1,
     "Print a manual page",
     "설명서 쪽을 출력합니다",
     kMan,
     {},
     "malmoi man run | man -l -",
     ManVerb},
    {"help",
     "[VERB]",
     0,
     1,
     "Print help",
     "도움말을 출력합니다",
     {},
     {},
     "malmoi help run",
     HelpVerb},
};

}  // namespace

std::span<const VerbSpec> Verbs() { return kVerbs; }
std::span<const OptionSpec> CommonOptions() { return kCommon; }

const VerbSpec* FindVerb(std::string_view name) {
  for (const VerbSpec& verb : kVerbs) {
    if (verb.name == name) return &verb;
  }
  return nullptr;
}

}  // namespace malmoi::cli
