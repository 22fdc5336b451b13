#include "represent/static/huffman.h"

#include <algorithm>

namespace malmoi::represent {

HuffmanTree MakeHuffmanTree(std::span<const int64_t> counts) {
  const int64_t leaves = static_cast<int64_t>(counts.size());
  HuffmanTree tree;
  if (leaves == 0) return tree;
  const size_t nodes = static_cast<size_t>(2 * leaves - 1);
  std::vector<int64_t> count(nodes, INT64_MAX), parent(nodes, -1);
  std::vector<bool> right(nodes, false);
  std::copy(counts.begin(), counts.end(), count.begin());
  int64_t leaf = leaves - 1, node = leaves;
  for (int64_t made = leaves; made < 2 * leaves - 1; ++made) {
    int64_t least[2];
    for (int64_t& each : least) {
      const bool from_leaves =
          leaf >= 0 &&
          count[static_cast<size_t>(leaf)] < count[static_cast<size_t>(node)];
      each = from_leaves ? leaf-- : node++;
    }
    // Saturates: the sums of a file may be anything.
    int64_t sum;
    if (__builtin_add_overflow(count[static_cast<size_t>(least[0])],
                               count[static_cast<size_t>(least[1])], &sum)) {
      sum = INT64_MAX;
    }
    count[static_cast<size_t>(made)] = sum;
    for (int64_t each : least) parent[static_cast<size_t>(each)] = made;
    right[static_cast<size_t>(least[1])] = true;
  }
  tree.begins.push_back(0);
  for (int64_t i = 0; i < leaves; ++i) {
    const size_t first = tree.steps.size();
    for (int64_t at = i; parent[static_cast<size_t>(at)] >= 0;
         at = parent[static_cast<size_t>(at)]) {
      tree.steps.push_back(
          {static_cast<int32_t>(parent[static_cast<size_t>(at)] - leaves),
           right[static_cast<size_t>(at)]});
    }
    std::reverse(tree.steps.begin() + static_cast<int64_t>(first),
                 tree.steps.end());
    tree.begins.push_back(static_cast<int64_t>(tree.steps.size()));
  }
  return tree;
}

}  // namespace malmoi::represent
