#include "bridge/report/report_page.h"

#include <doctest/doctest.h>

#include <string>

using namespace flarebridge;

TEST_CASE("a page holds its data and files, and its policy lets only these do anything") {
  const std::string page = ReportPage("{\"a\": \"{{nonce}} }} {{data}}\"}", "n0nce");
  CHECK(page.find("<script type=\"application/json\" id=\"data\" nonce=\"n0nce\">{\"a\": "
                  "\"{{nonce}} }} {{data}}\"}</script>") != std::string::npos);
  CHECK(page.find("var uPlot=") != std::string::npos);
  CHECK(page.find("Permission is hereby granted") != std::string::npos);  // uPlot's licence
  CHECK(page.find("default-src 'none'") != std::string::npos);
  CHECK(page.ends_with("</html>\n"));
  size_t scripts = 0;
  for (size_t at = page.find("<script"); at != std::string::npos;
       at = page.find("<script", at + 1)) {
    ++scripts;
    CHECK(page.substr(at, page.find('>', at) - at).find("nonce=\"n0nce\"") != std::string::npos);
  }
  CHECK(scripts == 3);
  for (const char* outside : {"src=\"http", "href=\"http", "@import", "url(http"})
    CHECK(page.find(outside) == std::string::npos);
}
