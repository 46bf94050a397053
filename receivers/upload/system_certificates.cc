#include "receivers/upload/system_certificates.h"

#include <unistd.h>

#include <array>

namespace flarebridge {

namespace {

// As Go's crypto/x509 (root_linux.go) lists them.
constexpr std::array kPlaces = {
    "etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Arch
    "etc/pki/tls/certs/ca-bundle.crt",                   // Fedora, RHEL 8 and 9
    "etc/ssl/ca-bundle.pem",                             // openSUSE
    "etc/pki/tls/cacert.pem",                            // OpenELEC
    "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // RHEL, where the older names are gone
    "etc/ssl/cert.pem",                                  // Alpine
};

}  // namespace

std::string FindSystemCertificates(const std::filesystem::path& root) {
  for (const char* place : kPlaces) {
    const std::filesystem::path file = root / place;
    if (access(file.c_str(), R_OK) == 0) return file.string();
  }
  return "";
}

}  // namespace flarebridge
