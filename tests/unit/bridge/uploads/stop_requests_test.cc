#include "bridge/uploads/stop_requests.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

const UploadTarget kOne{"wandb", "/runs/one"}, kTwo{"wandb", "/runs/two"};

TEST_CASE("what was asked of an upload is asked of its run, and of no other") {
  StopRequests requests;
  CHECK_FALSE(requests.Place(1, kOne));
  CHECK_FALSE(requests.Place(2, kTwo));
  CHECK(requests.Asked(kTwo, "asked") == 2);
  CHECK(requests.Asked(kOne, "asked") == 1);
  // Another system's upload of the same path is another one.
  CHECK_FALSE(requests.Asked({"other", kOne.path}, "asked"));
  // A run that goes on in another folder is uploaded from both.
  CHECK_FALSE(requests.Place(1, {"wandb", "/runs/three"}));
  CHECK(requests.Asked({"wandb", "/runs/three"}, "asked") == 1);
}

TEST_CASE("what is asked before its run is known waits for it, and is given once") {
  StopRequests requests;
  CHECK_FALSE(requests.Asked(kOne, "asked"));
  CHECK_FALSE(requests.Place(2, kTwo));
  CHECK(requests.Place(1, kOne) == "asked");
  CHECK_FALSE(requests.Place(1, kOne));
}

TEST_CASE("a run that is over is asked nothing") {
  StopRequests requests;
  (void)requests.Place(1, kOne);
  requests.Forget(1);
  CHECK_FALSE(requests.Asked(kOne, "asked"));
}

TEST_CASE("requests that wait are bounded") {
  StopRequests requests;
  size_t kept = 0;
  const auto target = [](size_t number) {
    return UploadTarget{"wandb", "/runs/" + std::to_string(number)};
  };
  const size_t asked = StopRequests::kMostWaiting + 10;
  for (size_t i = 0; i < asked; ++i) CHECK_FALSE(requests.Asked(target(i), "asked"));
  for (size_t i = 0; i < asked; ++i) kept += requests.Place(1, target(i)) ? 1U : 0U;
  CHECK(kept == StopRequests::kMostWaiting);
}

}  // namespace
}  // namespace flarebridge
