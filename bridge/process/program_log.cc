#include "bridge/process/program_log.h"

#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/spdlog.h>

#include "receivers/files/system_error.h"

namespace flarebridge {

Expected<std::shared_ptr<spdlog::logger>> OpenLog(const std::string& folder) {
  constexpr size_t kFileBytes = size_t{5} << 20;
  constexpr size_t kOlderFiles = 2;
  errno = 0;
  try {
    auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_st>(folder + "/bridge.log",
                                                                       kFileBytes, kOlderFiles);
    auto log = std::make_shared<spdlog::logger>("bridge", std::move(sink));
    log->set_pattern("%Y-%m-%d %H:%M:%S.%e %P %l: %v");
    // Lines are few; each must survive the process.
    log->flush_on(spdlog::level::trace);
    return log;
  } catch (const spdlog::spdlog_ex& e) {
    return Fail(CodeOf(errno), e.what());
  }
}

}  // namespace flarebridge
