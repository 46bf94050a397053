// protozero with its checks. It reads a field as whatever type it is asked for, and looks at the
// type that the bytes say only in debug builds: there it aborts, elsewhere a crafted record is
// misread. Here it throws in all builds, so that such bytes are no message. Included in place of
// protozero's own headers. Any thread.
#pragma once

#include <stdexcept>

namespace flarebridge::wandb {

// Of a field that has another type than the one that it is read as.
class WrongType : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace flarebridge::wandb

#ifdef protozero_assert
#error "protozero was included before its checks were set"
#endif
#define protozero_assert(condition) \
  ((condition) ? void() : throw flarebridge::wandb::WrongType(#condition))

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>
