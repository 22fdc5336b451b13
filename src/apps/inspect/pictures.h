// What inspect shows, as SVG: heat maps of attention, maps of a word's uses
// layer by layer, the table of a logit lens; and pages around them.
#ifndef MALMOI_APPS_INSPECT_PICTURES_H_
#define MALMOI_APPS_INSPECT_PICTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "apps/inspect/attention_maps.h"
#include "apps/inspect/lens.h"
#include "apps/inspect/surprisal.h"
#include "apps/inspect/word_senses.h"
#include "base/json.h"

namespace malmoi::apps {

// What stands over a picture, and the words of the language it is told in.
struct PictureText {
  std::string title, subtitle;
  std::string layer = "layer", head = "head", mean = "mean of heads";
  std::string gap = "same sense − other sense (cosine)";
  std::string spread = "PC 1+2";
  // Of pages.
  std::string language = "en";
  std::string looks = "These tokens look", looked_at = "at these";
  std::string help =
      "Point at a token to see what it looks at, below who looks at it; a "
      "click "
      "keeps it. Choose a map by mouse or arrow keys.";
};

// One map as a table of cells with the tokens beside it, or many as small ones
// with a layer in each row. Throws kLimit for more than 200 tokens a side of
// one, or 150,000 cells of many.
std::string AttentionSvg(const PictureText& text, const AttentionMaps& maps,
                         const std::vector<std::string>& rows,
                         const std::vector<std::string>& columns);

// A page of many maps: each small, a chosen one large, and the text, whose
// tokens show what they look at. Probabilities are rounded to their roots in
// 255 steps. Throws kLimit for more than 24 million of them.
std::string AttentionPage(const PictureText& text, const AttentionMaps& maps,
                          const std::vector<std::string>& rows,
                          const std::vector<std::string>& columns);

// A map of the uses for each layer, colours by sense, the gap between senses by
// layer, and the sentences with their numbers. Throws kLimit for more than 200
// sentences.
std::string SensesSvg(const PictureText& text, const WordSenses& senses);

// The most probable token of each layer (rows, the last on top) and position.
// `labels`: of the positions; `token`: how a predicted one is shown. Throws
// kLimit for more than 100 positions.
std::string LensSvg(const PictureText& text, const Lens& lens,
                    const std::vector<std::string>& labels,
                    const InspectedModel& model);

// A page with the text coloured by bits; each piece tells them on hovering.
std::string SurprisalPage(const PictureText& text, const Surprisal& surprisal,
                          const InspectedModel& model);
// A page around a picture, with the numbers in it for who wants them.
std::string PicturePage(const PictureText& text, const std::string& svg,
                        const Json& data);

// 0 (no bits) to 1 (16 and more): how loud a token's colour is.
double SurprisalShare(double bits);

}  // namespace malmoi::apps

#endif  // MALMOI_APPS_INSPECT_PICTURES_H_
