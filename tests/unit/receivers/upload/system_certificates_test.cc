#include "receivers/upload/system_certificates.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/unit/temp_folder.h"

using namespace flarebridge;

namespace {

void Put(const std::filesystem::path& file) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << "-----BEGIN CERTIFICATE-----\n";
}

}  // namespace

TEST_CASE("certificates are found where Debian, RHEL, openSUSE and Alpine keep them") {
  for (const char* place :
       {"etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt",
        "etc/ssl/ca-bundle.pem", "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "etc/ssl/cert.pem"}) {
    const testing::TempFolder folder;
    Put(folder.path() / place);
    CHECK(FindSystemCertificates(folder.path()) == (folder.path() / place).string());
  }
}

TEST_CASE("a link to certificates that are gone is passed over") {
  const testing::TempFolder folder;
  const std::filesystem::path gone = folder.path() / "etc/ssl/certs/ca-certificates.crt";
  std::filesystem::create_directories(gone.parent_path());
  std::filesystem::create_symlink("/nowhere/bundle", gone);
  Put(folder.path() / "etc/ssl/cert.pem");
  CHECK(FindSystemCertificates(folder.path()) == (folder.path() / "etc/ssl/cert.pem").string());
}

TEST_CASE("a machine without certificates has none") {
  const testing::TempFolder folder;
  CHECK(FindSystemCertificates(folder.path()).empty());
}
