// Times as text: the one place that writes them. Used for names of folders and in what goes to
// servers. Any thread.
#pragma once

#include <cstdint>
#include <string>

namespace flarebridge {

// What lies outside of the years 1000 to 9999 is taken for their nearest moment, NaN for 1970.
// "2026-08-21T10:00:00.123456" in UTC: RFC 3339 without its zone. `seconds` since the epoch;
// `microseconds` behind it, 0 to 999999, others are taken for the nearest of these.
std::string UtcTimeText(int64_t seconds, int64_t microseconds);
// The same of seconds with a fraction, which is cut.
std::string UtcTimeText(double seconds);

// "20260821_100000" in this machine's time zone. `seconds` since the epoch.
std::string LocalTimeName(int64_t seconds);
// "2026-08-21 10:00", so that people read it.
std::string LocalTimeText(int64_t seconds);

}  // namespace flarebridge
