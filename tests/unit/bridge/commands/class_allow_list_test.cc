#include "bridge/commands/class_allow_list.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>

namespace flarebridge {
namespace {

using Json = nlohmann::json;

// As NVFlare provisions it: a list of another indentation within the rest.
const std::string kProvisioned = R"({
    "format_version": 2,
    "class_allow_list": [
  "nvflare.app_common.np.np_trainer.NPTrainer",
  "nvflare.app_opt.tracking.wandb.wandb_receiver.WandBReceiver"
],
    "servers": [ {"admin_timeout": 10.0, "class_allow_list": ["not.this"]} ]
})";

TEST_CASE(
    "our package is added behind the last entry, as that one stands, and nothing else moves") {
  REQUIRE(StandingOf(kProvisioned).value() == Standing::kNotListed);
  const std::string text = WithOurPackage(kProvisioned).value();
  const std::string added = ",\n  \"flarebridge.\"";
  const size_t at = text.find(added);
  REQUIRE(at != std::string::npos);
  CHECK(text.substr(0, at) + text.substr(at + added.size()) == kProvisioned);
  CHECK(Json::parse(text)["class_allow_list"].back() == "flarebridge.");
  CHECK(StandingOf(text).value() == Standing::kAllowed);
}

TEST_CASE("lists of any layout are added to") {
  for (const std::string list :
       {R"([])", R"([ ])", R"(["a.b"])", R"(["a.b", "c."])", R"(["a]\"b.c" , "class_allow_list.x"
       ])"}) {
    const std::string text = R"({"x": [[1], {"y": "}\\\\"}], "class_allow_list"
      : )" + list + "}";
    CAPTURE(text);
    const std::string changed = WithOurPackage(text).value();
    Json wanted = Json::parse(text);
    wanted["class_allow_list"].push_back("flarebridge.");
    CHECK(Json::parse(changed) == wanted);
  }
}

TEST_CASE("of two lists the last one counts, as it does for NVFlare") {
  const std::string text = R"({"class_allow_list": ["flarebridge."], "class_allow_list": ["a.b"]})";
  CHECK(StandingOf(text).value() == Standing::kNotListed);
  CHECK(WithOurPackage(text).value() ==
        R"({"class_allow_list": ["flarebridge."], "class_allow_list": ["a.b","flarebridge."]})");
}

TEST_CASE("what lets all of our components in is seen, and what does not") {
  const auto standing = [](const std::string& list) {
    return StandingOf("{\"class_allow_list\": " + list + "}").value();
  };
  CHECK(standing(R"(["*"])") == Standing::kAllowed);
  CHECK(standing(R"(["x.y", "flarebridge."])") == Standing::kAllowed);
  CHECK(standing(R"(["flarebridge.receiver", "flarebridge.forwarder.BridgeForwarder"])") ==
        Standing::kAllowed);
  CHECK(standing(R"(["flarebridge.receiver.BridgeReceiver"])") == Standing::kNotListed);
  CHECK(standing(R"(["flarebridge.receiver.Bridge", "flarebridge.forwarder."])") ==
        Standing::kNotListed);
  CHECK(standing(R"(["flare"])") == Standing::kNotListed);
  CHECK(StandingOf("{}").value() == Standing::kNoList);
}

TEST_CASE("a key that the scan does not see is no wrong edit") {
  const auto changed = WithOurPackage(R"({"class\u005fallow_list": ["a.b"]})");
  REQUIRE_FALSE(changed.has_value());
  CHECK(changed.error().code == ErrorCode::kUnsupported);
}

TEST_CASE("what NVFlare could not read is refused") {
  for (const std::string text : {"", "[]", "{", R"({"class_allow_list": "a.b"})",
                                 R"({"class_allow_list": [1]})", R"({"class_allow_list": [""]})"}) {
    CAPTURE(text);
    CHECK(StandingOf(text).error().code == ErrorCode::kCorrupt);
  }
}

TEST_CASE("a new list begins with the one that is given") {
  for (const std::string text : {R"({"format_version": 2})", "{}", "{ }"}) {
    Json wanted = Json::parse(text);
    wanted["class_allow_list"] = {"nvflare.a.B", "flarebridge."};
    CHECK(Json::parse(WithNewList(text, R"(["nvflare.a.B"])").value()) == wanted);
  }
  CHECK(WithNewList("{}", "nothing").error().code == ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace flarebridge
