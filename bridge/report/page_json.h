// Objects and lists of a report's JSON, as they are written: nothing of it is kept. Used by
// report_json.cc and media_json.cc. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "bridge/report/page_text.h"

namespace flarebridge {

// Writes `"name":`, behind a comma where one is needed, and what follows is its value.
class PageObject {
 public:
  explicit PageObject(std::string& out) : out_(out) { out_.push_back('{'); }
  std::string& At(std::string_view name) {
    if (!first_) out_.push_back(',');
    first_ = false;
    AppendPageText(name, out_);
    out_.push_back(':');
    return out_;
  }
  void Text(std::string_view name, std::string_view text) { AppendPageText(text, At(name)); }
  void Number(std::string_view name, double number) { AppendPageNumber(number, At(name)); }
  template <class Integer>
  void Whole(std::string_view name, Integer number) {
    At(name) += std::to_string(number);
  }
  // Left out where it says nothing.
  template <class Integer>
  void Some(std::string_view name, Integer number) {
    if (number != 0) Whole(name, number);
  }
  void Close() { out_.push_back('}'); }

 private:
  std::string& out_;
  bool first_ = true;
};

// write(item) for each, with commas between them.
template <class List, class Write>
void AppendList(const List& list, std::string& out, Write write) {
  out.push_back('[');
  bool first = true;
  for (const auto& item : list) {
    if (!first) out.push_back(',');
    first = false;
    write(item);
  }
  out.push_back(']');
}

}  // namespace flarebridge
