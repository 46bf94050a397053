#include "bridge/session_processes.h"

#include <sys/epoll.h>

#include <iterator>
#include <utility>

namespace flarebridge {

SessionProcesses::~SessionProcesses() {
  for (auto session = sessions_.begin(); session != sessions_.end();) session = Release(session);
}

void SessionProcesses::WatchThese(const std::map<std::string, pid_t>& processes) {
  for (auto session = sessions_.begin(); session != sessions_.end();)
    session = processes.contains(session->first) ? std::next(session) : Release(session);
  for (const auto& [session, pid] : processes) {
    if (!sessions_.contains(session)) Watch(session, pid);
  }
}

void SessionProcesses::Watch(const std::string& session, pid_t pid) {
  Expected<ProcessWatch> watch = ProcessWatch::Of(pid);
  if (!watch) return;
  const int fd = watch->fd();
  const Expected<void> added = loop_.Add(fd, EPOLLIN, [this, session, fd](uint32_t) {
    Watched& watched = sessions_.at(session);
    if (watched.ended || !watched.watch.HasEnded()) return;
    watched.ended = true;
    ++ended_;
    loop_.Remove(fd);
  });
  if (added) sessions_.emplace(session, Watched{std::move(*watch)});
}

SessionProcesses::Sessions::iterator SessionProcesses::Release(Sessions::iterator session) {
  if (session->second.ended) {
    --ended_;
  } else {
    loop_.Remove(session->second.watch.fd());
  }
  return sessions_.erase(session);
}

bool SessionProcesses::Lives(const std::string& session) const {
  const auto found = sessions_.find(session);
  return found != sessions_.end() && !found->second.ended;
}

bool SessionProcesses::HasEnded(const std::string& session) const {
  const auto found = sessions_.find(session);
  return found != sessions_.end() && found->second.ended;
}

}  // namespace flarebridge
