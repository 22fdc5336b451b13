// Reads {template, variables}, one a line, and prints {text} or {error} for
// each: the other side of tools/compare_templates.py.
#include <iostream>
#include <string>

#include "base/error.h"
#include "text/template/chat_template.h"

int main() {
  using malmoi::Json;
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    Json result;
    try {
      const Json input = malmoi::ParseJson(line, "input");
      const malmoi::text::Template chat(input["template"].get<std::string>(),
                                        "template");
      result["text"] = chat.Render(input["variables"], 0);
    } catch (const malmoi::Error& error) {
      result["error"] = error.message();
    }
    std::cout << malmoi::DumpJson(result) << "\n";
  }
  return 0;
}
