#include "bridge/intake/opened_session.h"

#include <algorithm>

#include "events/event_codec.h"

namespace flarebridge {

Expected<std::shared_ptr<const OpenedSession>> OpenedSession::Make(
    const SessionOpened& event, std::string_view bytes, std::string_view owner,
    const Surroundings& surroundings) {
  if (!event.folder.starts_with('/')) {
    return Fail(ErrorCode::kConfig, "the folder of the runs must be an absolute path");
  }
  std::shared_ptr<OpenedSession> opened(new OpenedSession());
  opened->stored_.append(bytes).append(owner);
  RunSpec& spec = opened->spec_;
  spec.journal = surroundings.journal;
  spec.blobs = surroundings.blobs;
  spec.job = event.job;
  spec.run_name = event.run_name;
  spec.side = event.side;
  spec.owner = owner;
  opened->party_ = owner.empty() ? "job " + spec.job : "client " + spec.owner;
  // Somebody from elsewhere does not choose where this machine's files are written.
  spec.folder = owner.empty() ? std::string(event.folder)
                              : surroundings.clients_folder + "/" + std::string(owner);
  spec.receivers = Document::Copy(event.receivers);
  auto receivers = ReceiverSettings::ParseAll(event.receivers, spec.folder);
  if (!receivers) return Propagate(receivers);
  opened->receivers_ = std::move(*receivers);
  const int64_t pid = event.writer.Find("pid").value_or(Value()).AsInt64().value_or(0);
  if (pid > 0 && pid <= INT32_MAX) opened->pid_ = static_cast<pid_t>(pid);
  opened->secondary_ = event.writer.Find("secondary").value_or(Value()).AsBool().value_or(false);
  const auto chooses = [](const ReceiverSettings& settings) { return settings.chooses_folder(); };
  if (!owner.empty() &&
      std::any_of(opened->receivers_.begin(), opened->receivers_.end(), chooses)) {
    return Fail(ErrorCode::kConfig,
                "a client that connects over tcp can't choose the runs' folder (dir): they are in "
                "the bridge's state folder");
  }
  return opened;
}

Expected<std::shared_ptr<const OpenedSession>> OpenedSession::Restore(
    std::string_view stored, const Surroundings& surroundings) {
  EventDecoder decoder;
  const DecodedEvent decoded = decoder.Decode(stored);
  if (!decoded.event) return Propagate(decoded.event);
  const auto* event = std::get_if<SessionOpened>(&*decoded.event);
  if (event == nullptr) return Fail(ErrorCode::kMalformed, "not a session's opening");
  return Make(*event, stored.substr(0, decoded.size), stored.substr(decoded.size), surroundings);
}

Expected<std::shared_ptr<const OpenedSession>> OpenedSession::Changed(
    const std::shared_ptr<const OpenedSession>& before, const ArgumentChanges& changes,
    const Surroundings& surroundings) {
  const auto concerns = [&changes](const ReceiverSettings& settings) {
    return changes.IsAbout(settings.name());
  };
  if (std::none_of(before->receivers_.begin(), before->receivers_.end(), concerns)) return before;
  EventDecoder decoder;
  const DecodedEvent decoded = decoder.Decode(before->stored_);
  if (!decoded.event) return Propagate(decoded.event);
  SessionOpened event = std::get<SessionOpened>(*decoded.event);
  const Document receivers = changes.AppliedTo(event.receivers);
  event.receivers = receivers.root();
  std::string bytes;
  EncodeEvent(event, bytes);
  auto changed = Make(event, bytes, before->owner(), surroundings);
  if (!changed) return changed;
  for (const ReceiverSettings& settings : (*changed)->receivers_) {
    if (concerns(settings) && !settings.own()) return Propagate(settings.own());
  }
  return changed;
}

bool OpenedSession::Wants(const Event& event) const {
  return std::any_of(
      receivers_.begin(), receivers_.end(),
      [&event](const ReceiverSettings& settings) { return settings.filter().Wants(event); });
}

RunSpec OpenedSession::SpecOf(const std::string& site, double started) const {
  RunSpec spec = spec_;
  spec.site = site;
  spec.started = started;
  return spec;
}

}  // namespace flarebridge
