#include "bridge/report/console_text.h"

#include <algorithm>

namespace flarebridge {

void ConsoleText::Take(std::string_view piece, size_t most) {
  for (const char c : piece) {
    if (c == '\n') {
      // An escape that has no end is not to take the rest of the console with it.
      state_ = State::kPlain;
      EndLine(most);
    } else if (state_ == State::kPlain) {
      TakePlain(c);
    } else {
      TakeEscaped(c);
    }
  }
}

void ConsoleText::Fit(size_t most) {
  if (text_.size() <= most) return;
  const size_t end = text_.find('\n', text_.size() - most - 1);
  text_.erase(0, std::min(end, text_.size() - 1) + 1);
  text_.shrink_to_fit();
}

void ConsoleText::End() {
  if (!line_.empty()) EndLine(text_.size() + 2 * kMostLineBytes);
}

void ConsoleText::TakePlain(char c) {
  switch (c) {
    case '\r':
      returned_ = true;
      return;
    case '\b':
      if (!line_.empty()) line_.pop_back();
      return;
    case '\x1b':
      state_ = State::kEscape;
      return;
    default:
      if (c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != '\x7f')) Put(c);
  }
}

void ConsoleText::TakeEscaped(char c) {
  const bool is_final = c >= '@' && c <= '~';
  switch (state_) {
    case State::kEscape:
      if (c == '[') {
        state_ = State::kSequence;
      } else if (c == ']' || c == 'P' || c == 'X' || c == '^' || c == '_') {
        state_ = State::kString;
      } else if (c < ' ' || c > '/') {  // intermediate bytes come before the last one
        state_ = State::kPlain;
      }
      return;
    case State::kSequence:
      if (is_final) state_ = State::kPlain;
      return;
    case State::kString:
      if (c == '\a') state_ = State::kPlain;
      if (c == '\x1b') state_ = State::kStringEscape;
      return;
    default:
      state_ = c == '\\' ? State::kPlain : State::kString;
  }
}

void ConsoleText::Put(char c) {
  if (returned_) {
    line_.clear();
    returned_ = is_cut_ = false;
  }
  if (line_.size() < kMostLineBytes) {
    line_.push_back(c);
  } else {
    is_cut_ = true;
  }
}

void ConsoleText::EndLine(size_t most) {
  ++lines_;
  text_ += line_;
  if (is_cut_) {
    text_ += "…";
  }
  text_.push_back('\n');
  line_.clear();
  returned_ = is_cut_ = false;
  if (text_.size() > 2 * most) Fit(most);  // seldom: it moves what stays
}

}  // namespace flarebridge
