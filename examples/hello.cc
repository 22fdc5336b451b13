// Load, tokenize, generate. Run: hello [MODEL]
#include <iostream>

#include "malmoi/malmoi.hpp"

int main(int argc, char** argv) {
  try {
    auto model = malmoi::Model::Load(argc > 1 ? argv[1] : "smollm2");
    auto ids = model.Tokenize("Hello, tokens!");
    auto joke = model.Generate("Create a funny joke about chickens.",
                               {.max_tokens = 60, .temperature = 0});
    std::cout << ids.size() << " tokens\n" << joke.text << "\n";
  } catch (const malmoi::Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
