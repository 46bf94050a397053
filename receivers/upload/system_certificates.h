// Where this machine keeps the certificates of the authorities that it trusts. Used by CurlClient
// where libcurl itself does not know, as one that was not built for this machine. Any thread.
#pragma once

#include <filesystem>
#include <string>

namespace flarebridge {

// The first of the files in which Linux systems keep them that can be read; empty: none can.
// `root`: the folder that stands for `/`, for tests.
std::string FindSystemCertificates(const std::filesystem::path& root = "/");

}  // namespace flarebridge
