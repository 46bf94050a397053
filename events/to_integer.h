// Numbers with a fraction as whole ones, for numbers that come from outside: what C++ leaves
// undefined (NaN, what the integer has no room for) has a defined result here. Any thread.
#pragma once

#include <cmath>
#include <limits>

namespace flarebridge {

// The fraction is cut; what is beyond the type's range becomes its nearest end, NaN becomes 0.
template <class Integer>
constexpr Integer ToInteger(double number) {
  constexpr auto kLeast = std::numeric_limits<Integer>::min();
  constexpr auto kMost = std::numeric_limits<Integer>::max();
  if (std::isnan(number)) return 0;
  if (number <= static_cast<double>(kLeast)) return kLeast;
  // The largest of 64 bits is no double: its double is one more.
  if (number >= static_cast<double>(kMost)) return kMost;
  return static_cast<Integer>(number);
}

}  // namespace flarebridge
