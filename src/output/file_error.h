// What a user can do about a file that could not be had, by errno.
#pragma once

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace trireme {

// Throws the Error of `result`, which is -errno; of -ENOMEM std::bad_alloc. `action`: "writing",
// "naming".
[[noreturn]] void raise_file_error(const std::filesystem::path& target, std::string_view action,
                                   std::int64_t result);

// Calls again what a signal broke off.
template <class Call>
std::int64_t retried(Call call) {
  std::int64_t result = 0;
  do {
    result = call();
  } while (result == -EINTR);
  return result;
}

}  // namespace trireme
