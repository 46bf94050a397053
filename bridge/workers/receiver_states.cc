#include "bridge/workers/receiver_states.h"

#include <algorithm>

namespace flarebridge {

ReceiverStates::ReceiverStates(const std::vector<std::string>& names, uint64_t kept,
                               const Patience& patience)
    : patience_(patience) {
  for (const std::string& name : names) {
    Receiver& receiver = receivers_.emplace_back();
    receiver.name = name;
    receiver.kept = kept;
  }
}

std::vector<OpenFrame::Receiver> ReceiverStates::Open() {
  std::vector<OpenFrame::Receiver> opened;
  for (Receiver& receiver : receivers_) {
    if (receiver.state == State::kRefuses || receiver.state == State::kGivenUp) continue;
    receiver.state = State::kClosed;
    opened.push_back({receiver.name, receiver.kept});
  }
  return opened;
}

ReceiverStates::Receiver* ReceiverStates::Find(const std::string& name) {
  const auto found = std::find_if(receivers_.begin(), receivers_.end(),
                                  [&](const Receiver& receiver) { return receiver.name == name; });
  return found == receivers_.end() ? nullptr : &*found;
}

Expected<ReceiverStates::Change> ReceiverStates::Take(const std::vector<ReceiverStatus>& statuses,
                                                      uint64_t last, Time now) {
  Change change;
  // Where none lives the worker ends, and is started again as a whole.
  const bool all_refuse = std::all_of(
      statuses.begin(), statuses.end(),
      [](const ReceiverStatus& status) { return status.condition == ReceiverCondition::kRefuses; });
  for (const ReceiverStatus& status : statuses) {
    Receiver* receiver = Find(status.name);
    if (receiver == nullptr || status.durable > last || receiver->state == State::kGivenUp)
      return flarebridge::Fail(ErrorCode::kMalformed, "a receiver's state that can't be");
    if (status.durable > receiver->kept) {
      receiver->kept = status.durable;
      receiver->failed_since.reset();
      receiver->failures = 0;
      receiver->told = false;
      change.progress = true;
    }
    if (status.condition == ReceiverCondition::kLives) {
      receiver->state = State::kLives;
    } else if (receiver->IsOpen() && !all_refuse) {
      Fail(*receiver, status, now);
      change.failed.push_back(receiver);
    }
  }
  any_failed_ = std::any_of(receivers_.begin(), receivers_.end(), [](const Receiver& receiver) {
    return !receiver.IsOpen() || receiver.failed_since;
  });
  return change;
}

void ReceiverStates::Fail(Receiver& receiver, const ReceiverStatus& status, Time now) {
  receiver.state =
      status.condition == ReceiverCondition::kRefuses ? State::kRefuses : State::kFailed;
  receiver.why = status.why;
  if (!receiver.failed_since) receiver.failed_since = now;
  // 1 s, 2 s, ... up to the most; the shift is bounded so that it can't overflow.
  const Duration wait = patience_.retry_first * (1 << std::min<uint32_t>(receiver.failures, 16));
  ++receiver.failures;
  receiver.retry_at = now + std::min(wait, patience_.retry_most);
}

void ReceiverStates::OnWorkerGone() {
  for (Receiver& receiver : receivers_) {
    if (receiver.state == State::kLives) receiver.state = State::kClosed;
  }
}

void ReceiverStates::OnStored(uint64_t bytes) {
  for (Receiver& receiver : receivers_) {
    if (!receiver.IsOpen()) receiver.backlog += bytes;
  }
}

uint64_t ReceiverStates::Forgotten() const {
  uint64_t lowest = UINT64_MAX;
  for (const Receiver& receiver : receivers_) lowest = std::min(lowest, receiver.kept);
  return lowest;
}

uint64_t ReceiverStates::FedFrom() const {
  uint64_t lowest = UINT64_MAX;
  for (const Receiver& receiver : receivers_) {
    if (receiver.state == State::kLives) lowest = std::min(lowest, receiver.kept);
  }
  return lowest;
}

bool ReceiverStates::HasWork(uint64_t last) const {
  return std::any_of(receivers_.begin(), receivers_.end(), [last](const Receiver& receiver) {
    return receiver.kept < last && (receiver.IsOpen() || receiver.state == State::kFailed);
  });
}

bool ReceiverStates::WantsWorker(uint64_t last, Time now) const {
  return !OpenOnesHave(last) || RetryIsDue(last, now);
}

bool ReceiverStates::OpenOnesHave(uint64_t last) const {
  return std::all_of(receivers_.begin(), receivers_.end(), [last](const Receiver& receiver) {
    return receiver.kept >= last || !receiver.IsOpen();
  });
}

bool ReceiverStates::RetryIsDue(uint64_t last, Time now) const {
  return std::any_of(receivers_.begin(), receivers_.end(), [&](const Receiver& receiver) {
    return receiver.state == State::kFailed && receiver.kept < last && receiver.retry_at <= now;
  });
}

std::optional<ReceiverStates::Time> ReceiverStates::NextTimer(uint64_t last, bool can_retry) const {
  std::optional<Time> next;
  const auto consider = [&next](Time time) {
    if (!next || time < *next) next = time;
  };
  for (const Receiver& receiver : receivers_) {
    if (!receiver.IsLeftBehind() || receiver.kept >= last) continue;
    if (can_retry && receiver.state == State::kFailed) consider(receiver.retry_at);
    if (OthersGoOn(receiver, last)) consider(*receiver.failed_since + patience_.time);
  }
  return next;
}

bool ReceiverStates::OthersGoOn(const Receiver& receiver, uint64_t last) const {
  return std::any_of(receivers_.begin(), receivers_.end(), [&](const Receiver& other) {
    const bool has_all = other.IsOpen() && other.kept >= last;
    return &other != &receiver && (other.state == State::kLives || has_all);
  });
}

ReceiverStates::Receiver* ReceiverStates::ToGiveUp(uint64_t last, bool over, Time now) {
  for (Receiver& receiver : receivers_) {
    if (!receiver.IsLeftBehind() || receiver.kept >= last || !OthersGoOn(receiver, last)) continue;
    if (now - *receiver.failed_since >= patience_.time || receiver.backlog > patience_.bytes ||
        (over && receiver.state == State::kRefuses)) {
      return &receiver;
    }
  }
  return nullptr;
}

void ReceiverStates::GiveUp(Receiver& receiver) {
  receiver.state = State::kGivenUp;
  any_failed_ = true;
}

bool ReceiverStates::AllGivenUp() const {
  return std::all_of(receivers_.begin(), receivers_.end(),
                     [](const Receiver& receiver) { return receiver.state == State::kGivenUp; });
}

ReceiverStates::Receiver* ReceiverStates::LargestBacklog(uint64_t last) {
  Receiver* largest = nullptr;
  for (Receiver& receiver : receivers_) {
    const bool waits = receiver.IsLeftBehind() && receiver.kept < last;
    if (!waits || !OthersGoOn(receiver, last)) continue;
    if (largest == nullptr || receiver.backlog > largest->backlog) largest = &receiver;
  }
  return largest;
}

uint64_t ReceiverStates::BacklogBytes() const {
  uint64_t bytes = 0;
  if (!any_failed_) return bytes;
  for (const Receiver& receiver : receivers_) {
    if (receiver.IsLeftBehind()) bytes += receiver.backlog;
  }
  return bytes;
}

}  // namespace flarebridge
