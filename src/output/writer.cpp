#include "src/output/writer.h"

#include <fmt/format.h>
#include <unistd.h>
#include <xxhash.h>

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace trireme {
namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

const std::string& this_host() {
  static const std::string hash = [] {
    std::error_code unseen;
    const auto space = fs::read_symlink("/proc/self/ns/pid", unseen).string();
    const auto host = text_of("/proc/sys/kernel/random/boot_id") + space;
    return fmt::format("{:08x}", XXH3_64bits(host.data(), host.size()) & 0xffffffff);
  }();
  return hash;
}

// In clock ticks since the kernel booted: the 22nd field of /proc/PID/stat, the 20th after the
// program's name, which may hold anything. Empty for a process that is not there or a zombie.
std::string start_of(long pid) {
  const auto stat = text_of(fmt::format("/proc/{}/stat", pid));
  auto at = stat.rfind(')');
  if (at == std::string::npos || stat.substr(at + 2, 1) == "Z") return {};
  constexpr int kFields = 20;
  for (int field = 0; field < kFields && at != std::string::npos; ++field)
    at = stat.find(' ', at + 1);
  if (at == std::string::npos) return {};
  return stat.substr(at + 1, stat.find(' ', at + 1) - at - 1);
}

}  // namespace

std::string this_writer() {
  return fmt::format("{}-{}-{}", this_host(), getpid(), start_of(getpid()));
}

Life life_of(std::string_view writer) {
  const auto host = this_host() + "-";
  if (!writer.starts_with(host)) return Life::kUnknown;
  writer.remove_prefix(host.size());
  long pid = 0;
  const auto [end, error] = std::from_chars(writer.data(), writer.data() + writer.size(), pid);
  if (error != std::errc() || end == writer.data() + writer.size() || *end != '-')
    return Life::kUnknown;
  const auto start = writer.substr(static_cast<std::size_t>(end - writer.data()) + 1);
  return start_of(pid) == start ? Life::kAlive : Life::kDead;
}

}  // namespace trireme
