// A message of a shim: one byte tells the header's length, the rest is header and body.
#include <cstdint>
#include <string_view>

#include "events/event_codec.h"
#include "events/link_message.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string_view header = bytes.substr(0, data[0]);
  const std::string_view body = bytes.substr(header.size());
  (void)flarebridge::ParseShimMessage(header, body);
  // The events of a batch, as the intake cuts them.
  flarebridge::EventDecoder decoder;
  for (std::string_view rest = body; !rest.empty();) {
    const flarebridge::DecodedEvent decoded = decoder.Decode(rest);
    if (decoded.size == 0) break;
    if (decoded.size > rest.size()) __builtin_trap();
    rest.remove_prefix(decoded.size);
  }
  return 0;
}
