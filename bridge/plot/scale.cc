#include "bridge/plot/scale.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "events/to_integer.h"

namespace flarebridge {
namespace {

// Multiples of the step within the span, one more than `most` at most.
std::vector<double> Multiples(Span span, double step, size_t most) {
  std::vector<double> ticks;
  const double first = std::ceil(span.lowest / step);
  for (size_t i = 0; ticks.size() <= most; ++i) {
    const double tick = (first + static_cast<double>(i)) * step;
    // One that is no larger than the one before: the span is too narrow for doubles.
    if (!(tick <= span.highest) || (!ticks.empty() && tick <= ticks.back())) break;
    if (tick >= span.lowest) ticks.push_back(tick == 0 ? 0 : tick);  // never -0
  }
  return ticks;
}

// Those of the least round step of which there are no more than `most`.
std::vector<double> RoundTicks(Span span, size_t most, double least_step) {
  // By halves: the whole may be more than a double holds.
  const double range = 2 * (span.highest / 2 / static_cast<double>(most) -
                            span.lowest / 2 / static_cast<double>(most));
  const double power = std::pow(10, std::floor(std::log10(std::max(range, least_step))));
  constexpr std::array<double, 6> kRound = {1, 2, 5, 10, 20, 50};
  for (const double round : kRound) {
    const double step = round * power;
    if (!(step > 0) || !std::isfinite(step) || step < least_step) continue;
    std::vector<double> ticks = Multiples(span, step, most);
    if (ticks.size() <= most) return ticks;
  }
  return {};
}

std::string WithDigits(double value, int digits) {
  std::array<char, 40> text{};
  (void)snprintf(text.data(), text.size(), "%.*g", digits, value);
  return text.data();
}

}  // namespace

Scale::Scale(Span span, size_t dots, bool log)
    : log_(log),
      lowest_(On(span.lowest)),
      highest_(On(span.highest)),
      last_(static_cast<int64_t>(dots) - 1) {}

double Scale::Log(double value) { return std::log10(value); }

int64_t Scale::Place(double value) const {
  const double range = highest_ / 2 - lowest_ / 2;
  if (range <= 0) return last_ / 2;
  const double part = std::clamp((On(value) / 2 - lowest_ / 2) / range, 0.0, 1.0);
  return std::llround(part * static_cast<double>(last_));
}

std::vector<double> Ticks(Span span, size_t most, double least_step) {
  if (span.lowest == span.highest) return {span.lowest};
  std::vector<double> ticks = RoundTicks(span, most, least_step);
  if (ticks.size() < 2) return {span.lowest, span.highest};
  return ticks;
}

std::vector<double> LogTicks(Span span, size_t most) {
  constexpr double kHair = 1e-9;  // of a logarithm, which may be a hair beside a whole number
  const Span powers{std::log10(span.lowest) - kHair, std::log10(span.highest) + kHair};
  std::vector<double> ticks = RoundTicks(powers, most, 1);
  if (ticks.size() < 2) return Ticks(span, most);
  for (double& tick : ticks) tick = std::pow(10, tick);
  return ticks;
}

std::vector<std::string> LabelsOf(const std::vector<double>& values) {
  constexpr int kDigits = 5, kAllDigits = 17;
  std::vector<std::string> labels;
  for (int digits = kDigits; digits <= kAllDigits; ++digits) {
    labels.clear();
    for (const double value : values) labels.push_back(WithDigits(value, digits));
    if (std::adjacent_find(labels.begin(), labels.end()) == labels.end()) break;
  }
  return labels;
}

std::vector<std::string> StepLabelsOf(const std::vector<double>& steps) {
  constexpr double kMost = 1e10;
  const bool short_ones = std::all_of(steps.begin(), steps.end(), [](double step) {
    return std::fabs(step) < kMost && std::trunc(step) == step;
  });
  if (!short_ones) return LabelsOf(steps);
  std::vector<std::string> labels;
  labels.reserve(steps.size());
  for (const double step : steps) labels.push_back(std::to_string(ToInteger<int64_t>(step)));
  return labels;
}

}  // namespace flarebridge
