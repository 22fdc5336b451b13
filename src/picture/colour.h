// Colours of data: a scale from little to much whose steps look equally large,
// and classes that also people who confuse red and green can tell apart.
// OKLab: Ottosson 2020, "A perceptual color space for image processing".
// Classes: Okabe & Ito 2008, "Color Universal Design".
#ifndef MALMOI_PICTURE_COLOUR_H_
#define MALMOI_PICTURE_COLOUR_H_

#include <cstdint>
#include <string>

namespace malmoi::picture {

struct Colour {
  uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const Colour&) const = default;
};

// "#0072b2".
std::string Hex(Colour colour);

// Of OKLab's lightness, chroma and hue (degrees); chroma is lessened as far as
// sRGB needs it.
Colour Oklch(double lightness, double chroma, double hue);
// 0 black to 1 white, as the eye sees it: OKLab's.
double Lightness(Colour colour);

// From dark violet (0) by blue and green to bright yellow (1): lightness grows
// evenly, so that it also reads in grey. Outside of 0 to 1: the ends; NaN:
// grey.
Colour Sequential(double value);
// From blue (-1) by near white (0) to red (1).
Colour Diverging(double value);
// The `index`th of `count` classes: Okabe and Ito's (grey in place of black,
// which a dark page would swallow) for up to eight; beyond that hues a golden
// angle apart in three lightnesses, which no longer can all be told apart.
Colour Categorical(int64_t index, int64_t count);
// Black or white: what is read better on this.
Colour TextOn(Colour background);

}  // namespace malmoi::picture

#endif  // MALMOI_PICTURE_COLOUR_H_
