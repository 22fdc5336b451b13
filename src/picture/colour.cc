#include "picture/colour.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "base/format.h"

namespace malmoi::picture {

namespace {

double ToLinear(uint8_t value) {
  const double x = value / 255.0;
  return x <= 0.04045 ? x / 12.92 : std::pow((x + 0.055) / 1.055, 2.4);
}

double FromLinear(double x) {
  return x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055;
}

std::array<double, 3> LinearOf(double lightness, double a, double b) {
  const auto cube = [](double x) { return x * x * x; };
  const double l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b);
  const double m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b);
  const double s = cube(lightness - 0.0894841775 * a - 1.2914855480 * b);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

bool Shown(const std::array<double, 3>& linear) {
  return std::all_of(linear.begin(), linear.end(),
                     [](double x) { return x > -1e-4 && x < 1 + 1e-4; });
}

}  // namespace

std::string Hex(Colour colour) {
  return Format("#{:02x}{:02x}{:02x}", colour.red, colour.green, colour.blue);
}

Colour Oklch(double lightness, double chroma, double hue) {
  const double angle = hue * std::numbers::pi / 180;
  const auto at = [&](double c) {
    return LinearOf(lightness, c * std::cos(angle), c * std::sin(angle));
  };
  auto linear = at(chroma);
  if (!Shown(linear)) {
    double least = 0, most = chroma;
    for (int i = 0; i < 20; ++i) {
      const double middle = (least + most) / 2;
      (Shown(at(middle)) ? least : most) = middle;
    }
    linear = at(least);
  }
  const auto byte = [](double x) {
    const double value = FromLinear(std::clamp(x, 0.0, 1.0));
    return static_cast<uint8_t>(std::lround(value * 255));
  };
  return {byte(linear[0]), byte(linear[1]), byte(linear[2])};
}

double Lightness(Colour colour) {
  const double r = ToLinear(colour.red), g = ToLinear(colour.green),
               b = ToLinear(colour.blue);
  return 0.2104542553 *
             std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) +
         0.7936177850 *
             std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) -
         0.0040720468 *
             std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
}

Colour Sequential(double value) {
  if (std::isnan(value)) return {128, 128, 128};
  const double t = std::clamp(value, 0.0, 1.0);
  // Hue by blue and green to yellow; chroma largest towards the bright end,
  // where yellow has room for it.
  return Oklch(0.24 + 0.68 * t, 0.11 + 0.07 * t, 305 - 197 * t);
}

Colour Diverging(double value) {
  if (std::isnan(value)) return {128, 128, 128};
  const double t = std::clamp(value, -1.0, 1.0);
  const double size = std::abs(t);
  return Oklch(0.96 - 0.46 * size, 0.16 * size, t < 0 ? 255 : 28);
}

Colour Categorical(int64_t index, int64_t count) {
  constexpr Colour kClasses[] = {
      {0, 114, 178},  {230, 159, 0},   {0, 158, 115},  {213, 94, 0},
      {86, 180, 233}, {204, 121, 167}, {240, 228, 66}, {153, 153, 153}};
  if (count <= 8) return kClasses[((index % 8) + 8) % 8];
  constexpr double kGoldenAngle = 137.50776405003785;
  constexpr double kLightness[] = {0.66, 0.52, 0.78};
  return Oklch(kLightness[((index % 3) + 3) % 3], 0.15,
               std::fmod(static_cast<double>(index) * kGoldenAngle, 360));
}

Colour TextOn(Colour background) {
  return Lightness(background) > 0.65 ? Colour{0, 0, 0} : Colour{255, 255, 255};
}

}  // namespace malmoi::picture
