#include "launch/host.h"

#include <sched.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "src/config/read_cluster.h"
#include "src/report/report.h"

namespace trireme {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Of a control group's file: a number, or "max".
std::optional<int64_t> limit_in(const char* file) {
  std::ifstream in(file);
  int64_t bytes = 0;
  if (in >> bytes && bytes > 0) return bytes;
  return std::nullopt;
}

}  // namespace

int usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  return static_cast<int>(std::thread::hardware_concurrency());
}

int64_t usable_memory() {
  auto bytes = int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE);
  for (const auto* file :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"})
    if (const auto limit = limit_in(file)) bytes = std::min(bytes, *limit);
  return bytes / 10 * 9;
}

std::string calibration_file() {
  namespace fs = std::filesystem;
  if (const auto named = variable("TRIREME_CLUSTER"); !named.empty()) return named;
  const auto cache = variable("XDG_CACHE_HOME");
  const fs::path base = cache.empty() ? fs::path(variable("HOME")) / ".cache" : fs::path(cache);
  return base / "trireme" / (host_name() + ".yaml");
}

std::optional<Cluster> calibrated_cluster() {
  // A file that is named and not there is a mistake to tell of.
  if (const auto named = variable("TRIREME_CLUSTER"); !named.empty()) return read_cluster(named);
  const auto file = calibration_file();
  return std::filesystem::exists(file) ? std::optional(read_cluster(file)) : std::nullopt;
}

}  // namespace trireme
