// Text as it comes from users: files that may not be there, bytes that may not be UTF-8, words that
// are nearly right.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/config/source.h"

namespace trireme {

// The bytes of a file. Throws Error: kMissingInput, kNoPermission or kInputOutput, with `place` and
// `what` (such as "a job file") named.
std::string read_text(const std::string& path, const std::string& place, const std::string& what);

struct BadByte {
  size_t offset = 0;
  std::string what;  // such as "byte 0xff is not UTF-8"
};
std::optional<BadByte> find_bad_utf8(std::string_view text);
// A control character but tab, line feed and carriage return.
std::optional<BadByte> find_control(std::string_view text);

// Without a byte order mark at its beginning.
std::string_view without_bom(std::string_view text);

// Line and byte column of an offset.
Mark mark_at(std::string_view text, size_t offset);

// On one line, cut to about `limit` bytes at a character's end.
std::string shorten(std::string_view text, size_t limit);

// The candidate that was most likely meant: by the usual other names (`steps`, `cfg`), by edit
// distance, or because one holds the other.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string_view>& candidates);

// "a, b, c"
std::string list_words(const std::vector<std::string_view>& words);

}  // namespace trireme
