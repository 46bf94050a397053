#include "receivers/json.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

namespace flarebridge {
namespace {

TEST_CASE(
    "a float is the shortest text that reads back as the same double, and looks like a float") {
  CHECK(ToJson(0.1) == "0.1");
  CHECK(ToJson(1.0) == "1.0");
  CHECK(ToJson(-0.0) == "-0.0");
  CHECK(ToJson(0.1 + 0.2) == "0.30000000000000004");
  CHECK(ToJson(1e22) == "1e+22");
  for (const double number : {5e-324, 1.7976931348623157e308, 1789000000.1234567, 3.0e-7}) {
    CHECK(std::strtod(ToJson(number).c_str(), nullptr) == number);
  }
}

TEST_CASE("seconds are told to the microsecond, whatever they are") {
  const auto seconds = [](double given) {
    std::string out;
    AppendSeconds(given, out);
    return out;
  };
  CHECK(seconds(0) == "0.0");
  CHECK(seconds(12.5) == "12.5");
  CHECK(seconds(1789000000.123456) == "1789000000.123456");
  CHECK(seconds(0.0000004) == "0.0");
  CHECK(seconds(2.9999996) == "3.0");
  CHECK(seconds(0.000001) == "0.000001");
  CHECK(seconds(253402300799) == "253402300799.0");
  for (const double impossible : {-1.0, std::nan(""), -1e300}) CHECK(seconds(impossible) == "0.0");
  for (const double impossible : {1e300, std::numeric_limits<double>::infinity()})
    CHECK(seconds(impossible) == "253402300799.0");
}

TEST_CASE("not a number and the infinities are W&B's bare words") {
  CHECK(ToJson(std::nan("")) == "NaN");
  CHECK(ToJson(std::numeric_limits<double>::infinity()) == "Infinity");
  CHECK(ToJson(-std::numeric_limits<double>::infinity()) == "-Infinity");
}

TEST_CASE("text is escaped as JSON demands and otherwise left alone") {
  CHECK(ToJson(std::string_view("a\"b\\c\n\t\r\x01 é")) == "\"a\\\"b\\\\c\\n\\t\\r\\u0001 é\"");
}

TEST_CASE("nested values keep their shape and integers their digits") {
  // {"a": [1, -1, nil, true], "b": {}, "u": 2^64-1, "bin": 3 bytes}
  const std::string bytes(
      "\x84\xa1"
      "a\x94\x01\xff\xc0\xc3\xa1"
      "b\x80\xa1u\xcf\xff\xff\xff\xff\xff\xff\xff\xff\xa3"
      "bin\xc4\x03"
      "abc",
      31);
  const Document document = Document::Parse(bytes).value();
  CHECK(ToJson(document.root()) ==
        R"({"a":[1,-1,null,true],"b":{},"u":18446744073709551615,"bin":"<3 bytes>"})");
}

}  // namespace
}  // namespace flarebridge
