#include "bridge/link/curve_keys.h"

#include <zmq.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "events/names.h"
#include "receivers/files/durable_file.h"
#include "receivers/files/file_info.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

constexpr size_t kKeyCharacters = 40;

// zmq_curve_keypair() and zmq_z85_decode() write into arrays of these sizes.
constexpr size_t kKeyBuffer = kKeyCharacters + 1;

bool IsKey(const std::string& key) {
  std::array<uint8_t, 32> raw{};
  return key.size() == kKeyCharacters && zmq_z85_decode(raw.data(), key.c_str()) != nullptr;
}

// The value of `name = "value"`, or empty.
std::string ValueOf(const std::string& line, const std::string& name) {
  const size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos || line.compare(begin, name.size(), name) != 0) return "";
  const size_t open = line.find('"', begin + name.size());
  const size_t close = line.rfind('"');
  return open == std::string::npos || close <= open ? "" : line.substr(open + 1, close - open - 1);
}

bool IsBelow(const fs::path& path, const fs::path& folder) {
  std::error_code failed;
  const fs::path found = fs::canonical(path, failed);
  if (failed) return false;
  const fs::path above = fs::canonical(folder, failed);
  if (failed) return false;
  return std::mismatch(above.begin(), above.end(), found.begin(), found.end()).first == above.end();
}

bool IsSecret(const fs::path& path, const FileInfo& info, const fs::path& credentials) {
  if (!info.IsOpenToOthers()) return true;
  // From systemd 254 on a credential has mode 0440: it is root's, and the service's user may read
  // it by an access list, whose mask stat() shows as the rights of the group (acl(5)). Nobody else
  // gets into the folder.
  return !credentials.empty() && (info.rights & 0037) == 0 && IsBelow(path, credentials);
}

}  // namespace

Expected<CurveKeys> MakeKeyFiles(const fs::path& path) {
  std::array<char, kKeyBuffer> public_key{}, secret_key{};
  if (zmq_curve_keypair(public_key.data(), secret_key.data()) != 0)
    return Fail(ErrorCode::kIo, "this ZeroMQ makes no CURVE keys");
  const CurveKeys keys{public_key.data(), secret_key.data()};
  const std::string begin = "metadata\ncurve\n    public-key = \"" + keys.public_key + "\"\n";
  // The secret first: a public key whose secret is missing is of no use.
  if (Expected<void> made =
          WriteNewDurably(path.string() + ".key_secret",
                          begin + "    secret-key = \"" + keys.secret_key + "\"\n", 0600);
      !made)
    return Propagate(made);
  if (Expected<void> made = WriteNewDurably(path.string() + ".key", begin, 0644); !made)
    return Propagate(made);
  return keys;
}

Expected<CurveKeys> ReadKeyFile(const fs::path& path, const fs::path& credentials) {
  constexpr size_t kMostBytes = size_t{1} << 20;  // CZMQ's files may hold other lines, too
  const Expected<std::string> text = ReadWhole(path, kMostBytes);
  if (!text) return Propagate(text);
  const Expected<FileInfo> info = InfoOf(path);
  if (!info) return FailOf(path.string(), info);
  CurveKeys keys;
  std::istringstream file(*text);
  for (std::string line; std::getline(file, line);) {
    if (keys.public_key.empty()) keys.public_key = ValueOf(line, "public-key");
    if (keys.secret_key.empty()) keys.secret_key = ValueOf(line, "secret-key");
  }
  if (!IsKey(keys.public_key) || (!keys.secret_key.empty() && !IsKey(keys.secret_key)))
    return Fail(ErrorCode::kConfig, path.string() +
                                        " holds no CURVE keys; make some with: "
                                        "flarebridge keygen NAME");
  if (!keys.secret_key.empty() && !IsSecret(path, *info, credentials))
    return Fail(ErrorCode::kConfig, path.string() +
                                        " holds a secret that other users may read; "
                                        "make its mode 0600, or new keys if they may "
                                        "have been read");
  return keys;
}

Expected<std::map<std::string, std::string>> ReadAllowList(const fs::path& folder) {
  std::map<std::string, std::string> clients;
  std::error_code failed;
  fs::directory_iterator files(folder, failed);
  if (failed) return Fail(ErrorCode::kConfig, folder.string() + ": " + failed.message());
  for (; !failed && files != fs::directory_iterator(); files.increment(failed)) {
    if (files->path().extension() != ".key") continue;
    const Expected<CurveKeys> keys = ReadKeyFile(files->path());
    if (!keys) return Propagate(keys);
    const std::string name = files->path().stem().string();
    if (!IsName(name))
      return Fail(ErrorCode::kConfig, files->path().string() + ": its name can't be a client's");
    if (!clients.emplace(keys->public_key, name).second)
      return Fail(ErrorCode::kConfig, files->path().string() + ": another file has the same key");
  }
  if (clients.empty())
    return Fail(ErrorCode::kConfig, folder.string() +
                                        " names no client: put the public key "
                                        "(NAME.key) of each one there");
  return clients;
}

}  // namespace flarebridge
