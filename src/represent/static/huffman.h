// The binary tree of hierarchical softmax (Morin & Bengio 2005; Mikolov et al.
// 2013): frequent words have short paths. Built as word2vec and fastText do, so
// that their files' inner rows mean the same.
#ifndef MALMOI_REPRESENT_STATIC_HUFFMAN_H_
#define MALMOI_REPRESENT_STATIC_HUFFMAN_H_

#include <cstdint>
#include <span>
#include <vector>

namespace malmoi::represent {

struct HuffmanTree {
  // Of a leaf: the inner nodes from the root down, and which way to go.
  struct Step {
    int32_t node;  // row of the output matrix, [0, leaves - 1)
    bool right;
  };
  std::vector<Step> steps;
  std::vector<int64_t> begins;  // [leaves + 1], into steps

  std::span<const Step> path(int64_t leaf) const {
    const size_t i = static_cast<size_t>(leaf);
    return std::span(steps).subspan(
        static_cast<size_t>(begins[i]),
        static_cast<size_t>(begins[i + 1] - begins[i]));
  }
};

// `counts` in descending order.
HuffmanTree MakeHuffmanTree(std::span<const int64_t> counts);

}  // namespace malmoi::represent

#endif  // MALMOI_REPRESENT_STATIC_HUFFMAN_H_
