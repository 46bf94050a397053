// Lines of a JSONL file that are made of their JSON, for tests of what reads them.
#pragma once

#include <zlib.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace flarebridge::testing {

// `members`: of the line's object, without braces. With the mark and the newline of a whole line.
inline std::string Line(std::string_view members, uint64_t floor = 1) {
  std::string line = "{" + std::string(members) +
                     R"(,"_flarebridge":{"journal":"0000000000000001","floor":)" +
                     std::to_string(floor);
  const uLong sum =
      crc32(0, reinterpret_cast<const Bytef*>(line.data()), static_cast<uInt>(line.size()));
  std::array<char, 9> hex{};
  (void)std::snprintf(hex.data(), hex.size(), "%08lx", sum);
  return line + R"(,"crc32":")" + hex.data() + "\"}}\n";
}

// The first line of a run of site-1.
inline std::string RunLine() {
  return Line(
      R"("time":100.0,"site":"site-1","type":"RUN","job":"j1","run":"train","side":"server")");
}

// `rest`: members behind the type.
inline std::string DataLine(std::string_view type, std::string_view rest, double time = 101) {
  return Line(R"("time":)" + std::to_string(time) + R"(,"site":"site-1","type":")" +
              std::string(type) + R"(",)" + std::string(rest));
}

inline std::string EndLine(int exit_code) {
  return Line(R"("time":200.0,"site":"site-1","type":"END","value":)" + std::to_string(exit_code));
}

}  // namespace flarebridge::testing
