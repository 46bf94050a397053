// How many bytes a msgpack value takes, whatever it holds: so that a reader of many values can step
// over one that it does not take, and go on with the next. Pure, any thread.
#pragma once

#include <cstddef>
#include <string_view>

namespace flarebridge {

// The size of the value at the start of `bytes`, of any depth and number of parts; 0 if the bytes
// end before it or are not msgpack (0xc1). Constant memory, time linear in the size.
// Format: https://github.com/msgpack/msgpack/blob/master/spec.md
size_t SizeOfValue(std::string_view bytes);

}  // namespace flarebridge
