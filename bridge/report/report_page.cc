#include "bridge/report/report_page.h"

#include "bridge/report/page_files.h"

namespace flarebridge {
namespace {

// What stands for {{name}} in report.html: the data, the nonce, or a file of page/.
std::string_view Insertion(std::string_view name, std::string_view json, std::string_view nonce) {
  if (name == "data") return json;
  if (name == "nonce") return nonce;
  return PageFile(name);
}

}  // namespace

std::string ReportPage(std::string_view json, std::string_view nonce) {
  std::string page;
  page.reserve(json.size() + (size_t{256} << 10));
  // What was inserted is not looked at again: no data can ask for an insertion.
  std::string_view rest = PageFile("report.html");
  while (true) {
    const size_t begin = rest.find("{{");
    const size_t end = rest.find("}}", begin);
    page += rest.substr(0, begin);
    if (end == std::string_view::npos) return page;
    page += Insertion(rest.substr(begin + 2, end - begin - 2), json, nonce);
    rest.remove_prefix(end + 2);
  }
}

}  // namespace flarebridge
