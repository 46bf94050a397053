#include "bridge/report/page_text.h"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

using namespace flarebridge;

namespace {

std::string Written(std::string_view text) {
  std::string out;
  AppendPageText(text, out);
  return out;
}

}  // namespace

TEST_CASE("no text ends the script element in which it stands, or begins another one") {
  for (const char* text :
       {"</script><img src=x onerror=alert(1)>", "<!--<script>", "]]>", "</SCRIPT >"}) {
    const std::string written = Written(text);
    CHECK(written.find('<') == std::string::npos);
    CHECK(nlohmann::json::parse(written).get<std::string>() == text);
  }
}

TEST_CASE("each text comes back as it was, and bytes that are no UTF-8 as U+FFFD") {
  for (const std::string& text :
       {std::string("é \" \\ \n \t \x01 \x7f"), std::string("a\0b", 3), std::string("\u2028")})
    CHECK(nlohmann::json::parse(Written(text)).get<std::string>() == text);
  CHECK(nlohmann::json::parse(Written("a\xff"
                                      "b"))
            .get<std::string>() == "a\uFFFDb");
  CHECK(nlohmann::json::parse(Written("\xe2\x82")).get<std::string>().find('\xe2') ==
        std::string::npos);
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 12, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    CHECK_NOTHROW(nlohmann::json::parse(Written(bytes)));
  }
}

TEST_CASE("numbers are JSON, also those that JSON has not") {
  std::string out;
  AppendPageNumber(0.1, out);
  out += ' ';
  AppendPageNumber(std::numeric_limits<double>::quiet_NaN(), out);
  out += ' ';
  AppendPageNumber(-std::numeric_limits<double>::infinity(), out);
  CHECK(out == "0.1 \"NaN\" \"-Infinity\"");
}

TEST_CASE("an array is its bytes in base64") {
  const std::array<double, 1> one{1.0};
  std::string out;
  AppendPageArray(std::span<const double>(one), out);
  CHECK(out == "\"AAAAAAAA8D8=\"");
  out.clear();
  AppendPageArray(std::span<const float>(), out);
  CHECK(out == "\"\"");
}
