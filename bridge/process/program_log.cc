#include "bridge/process/program_log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cstdio>

#include "events/printable.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

// What is logged, as one line that nothing obeys: much of it quotes what came from outside.
class PrintableText : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& to) override {
    const std::string text = Printable({message.payload.data(), message.payload.size()});
    to.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<PrintableText>();
  }
};

}  // namespace

Expected<std::shared_ptr<spdlog::logger>> OpenLog(const std::string& folder) {
  constexpr size_t kFileBytes = size_t{5} << 20;
  constexpr size_t kOlderFiles = 2;
  errno = 0;
  try {
    spdlog::file_event_handlers handlers;
    handlers.after_open = [](const std::string& /*name*/, std::FILE* file) {
      (void)fchmod(fileno(file), 0600);
    };
    auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_st>(
        folder + "/bridge.log", kFileBytes, kOlderFiles, false, handlers);
    auto log = std::make_shared<spdlog::logger>("bridge", std::move(sink));
    auto line = std::make_unique<spdlog::pattern_formatter>();
    line->add_flag<PrintableText>('*').set_pattern("%Y-%m-%d %H:%M:%S.%e %P %l: %*");
    log->set_formatter(std::move(line));
    // Lines are few; each must survive the process.
    log->flush_on(spdlog::level::trace);
    return log;
  } catch (const spdlog::spdlog_ex& e) {
    return Fail(CodeOf(errno), e.what());
  }
}

}  // namespace flarebridge
