#include "jinja/builder.h"
#include "jinja/markup.h"
#include "jinja/operations.h"

#include <ctime>

namespace verbatim::jinja {

namespace {

constexpr const char* weekdays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                    "Thursday", "Friday", "Saturday"};
constexpr const char* months[] = {"January", "February", "March",     "April",   "May",      "June",
                                  "July",    "August",   "September", "October", "November", "December"};

std::tm local_time(int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm result{};
#ifdef _WIN32
  localtime_s(&result, &time);
#else
  localtime_r(&time, &result);
#endif
  return result;
}

int64_t floor_divide(int64_t a, int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

/// The year and week of ISO 8601.
std::pair<int64_t, int> iso_week(const std::tm& time) {
  int64_t year = time.tm_year + 1900;
  const int weekday = (time.tm_wday + 6) % 7;
  int week = (time.tm_yday - weekday + 10) / 7;
  const auto weeks_in = [](int64_t y) {
    const auto start = [](int64_t z) { return (z + z / 4 - z / 100 + z / 400) % 7; };
    return start(y) == 4 || start(y - 1) == 3 ? 53 : 52;
  };
  if (week < 1) return {year - 1, weeks_in(year - 1)};
  if (week > weeks_in(year)) return {year + 1, 1};
  return {year, week};
}

/// A number, padded as the directive says unless a flag says otherwise.
struct Field {
  std::string text;
  char pad = '\0'; ///< '0', '_' (a space) or none
  size_t width = 0;
};

Field number(int64_t value, size_t width, char pad = '0') {
  return {std::to_string(value), pad, width};
}

class TimeFormatter {
 public:
  TimeFormatter(int64_t milliseconds)
      : seconds_(floor_divide(milliseconds, 1000)), microseconds_((milliseconds - seconds_ * 1000) * 1000),
        time_(local_time(seconds_)) {}

  /// The text of a directive; nothing if it is not one.
  std::optional<Field> field(char directive) const {
    const int hour = time_.tm_hour % 12 == 0 ? 12 : time_.tm_hour % 12;
    const int64_t year = time_.tm_year + 1900;
    const auto composed = [&](std::string_view format) { return Field{run(format)}; };
    switch (directive) {
    case 'a':
      return Field{std::string(weekdays[time_.tm_wday]).substr(0, 3)};
    case 'A':
      return Field{weekdays[time_.tm_wday]};
    case 'b':
    case 'h':
      return Field{std::string(months[time_.tm_mon]).substr(0, 3)};
    case 'B':
      return Field{months[time_.tm_mon]};
    case 'c':
      return composed("%a %b %e %H:%M:%S %Y");
    case 'C':
      return number(year / 100, 2);
    case 'd':
      return number(time_.tm_mday, 2);
    case 'D':
    case 'x':
      return composed("%m/%d/%y");
    case 'e':
      return number(time_.tm_mday, 2, '_');
    case 'f': {
      std::string digits = std::to_string(microseconds_);
      return Field{std::string(6 - digits.size(), '0') + digits};
    }
    case 'F':
      return composed("%Y-%m-%d");
    case 'g':
      return number(iso_week(time_).first % 100, 2);
    case 'G':
      return number(iso_week(time_).first, 1);
    case 'H':
      return number(time_.tm_hour, 2);
    case 'I':
      return number(hour, 2);
    case 'j':
      return number(time_.tm_yday + 1, 3);
    case 'k':
      return number(time_.tm_hour, 2, '_');
    case 'l':
      return number(hour, 2, '_');
    case 'm':
      return number(time_.tm_mon + 1, 2);
    case 'M':
      return number(time_.tm_min, 2);
    case 'n':
      return Field{"\n"};
    case 'p':
      return Field{time_.tm_hour < 12 ? "AM" : "PM"};
    case 'P':
      return Field{time_.tm_hour < 12 ? "am" : "pm"};
    case 'r':
      return composed("%I:%M:%S %p");
    case 'R':
      return composed("%H:%M");
    case 's':
      return number(seconds_, 1);
    case 'S':
      return number(time_.tm_sec, 2);
    case 't':
      return Field{"\t"};
    case 'T':
    case 'X':
      return composed("%H:%M:%S");
    case 'u':
      return number(time_.tm_wday == 0 ? 7 : time_.tm_wday, 1);
    case 'U':
      return number((time_.tm_yday + 7 - time_.tm_wday) / 7, 2);
    case 'V':
      return number(iso_week(time_).second, 2);
    case 'w':
      return number(time_.tm_wday, 1);
    case 'W':
      return number((time_.tm_yday + 7 - (time_.tm_wday + 6) % 7) / 7, 2);
    case 'y':
      return number(year % 100, 2);
    case 'Y':
      return number(year, 1);
    case 'z':
    case 'Z':
      return Field{}; // A datetime without a time zone.
    case '%':
      return Field{"%"};
    default:
      return std::nullopt;
    }
  }

  /// Formats with directives that have no flags.
  std::string run(std::string_view format) const {
    std::string out;
    for (size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%') {
        out.push_back(format[i]);
        continue;
      }
      out += padded(*field(format[++i]), '\0', 0);
    }
    return out;
  }

  static std::string padded(Field field, char flag, size_t width) {
    char pad = field.pad;
    if (flag == '_' || flag == '0') pad = flag;
    if (flag == '-') pad = '\0';
    const size_t wanted = width > 0 ? width : flag == '-' ? 0 : field.width;
    if (width > 0 && pad == '\0') pad = '_';
    if (field.text.size() < wanted && pad)
      field.text.insert(0, wanted - field.text.size(), pad == '0' ? '0' : ' ');
    return field.text;
  }

 private:
  int64_t seconds_, microseconds_;
  std::tm time_;
};

} // namespace

Value format_time(Interpreter& in, const Value& format, int64_t milliseconds) {
  const auto& string = string_argument("strftime_now", format);
  const Text& text = string.text();
  const std::string_view all = std::string_view(text.bytes).substr(0, string.end);
  const TimeFormatter formatter(milliseconds);
  Builder out(in);
  for (size_t at = string.begin; at < string.end;) {
    in.step();
    const size_t percent = std::min(all.find('%', at), all.size());
    out.append(text, at, percent);
    at = percent;
    if (at >= all.size()) break;
    size_t end = at + 1;
    char flag = '\0';
    bool upper = false, swap = false;
    for (; end < all.size(); ++end) {
      const char c = all[end];
      if (c == '_' || c == '-' || c == '0')
        flag = c;
      else if (c == '^')
        upper = true;
      else if (c == '#')
        swap = true;
      else
        break;
    }
    size_t width = 0;
    while (end < all.size() && all[end] >= '0' && all[end] <= '9' && width < 10'000)
      width = width * 10 + static_cast<size_t>(all[end++] - '0');
    if (end < all.size() && (all[end] == 'E' || all[end] == 'O')) ++end;
    const auto field = end < all.size() ? formatter.field(all[end]) : std::nullopt;
    if (!field) {
      // Not a directive: it stays as it is.
      const size_t stop = std::min(end + 1, all.size());
      out.append(text, at, stop);
      at = stop;
      continue;
    }
    std::string result = TimeFormatter::padded(*field, flag, width);
    const char directive = all[end];
    if (swap && directive == 'p')
      for (char& c : result)
        c = static_cast<char>(c | 0x20);
    else if (upper || swap)
      for (char& c : result)
        c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    out.append(result, text.origin_at(at));
    at = end + 1;
  }
  return out.finish();
}

} // namespace verbatim::jinja
