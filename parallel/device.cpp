#include "parallel/device.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>
#include <vector>

namespace trireme {
namespace {

constexpr auto kLibrary = "libtrireme_cuda.so";

Error unavailable(const std::string& cause) {
  return Error(
      Exit::kUnavailable,
      fmt::format("[device] cuda -> a GPU that the driver shows -> {}; `device: cpu` needs "
                  "none",
                  cause));
}

// Beside the program; the test programs lie one folder below it, installed ones in bin/.
std::vector<std::filesystem::path> places() {
  const auto here = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  return {here / kLibrary, here.parent_path() / kLibrary, here.parent_path() / "lib" / kLibrary};
}

void* load() {
#ifndef TRIREME_CUDA
  throw unavailable("this program was built without CUDA (no CUDA and NCCL headers were found)");
#endif
  for (const auto& path : places()) {
    if (!std::filesystem::exists(path)) continue;
    if (void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    throw unavailable(fmt::format("{} does not load: {}", path.string(), dlerror()));
  }
  throw unavailable(fmt::format("{} is not beside the program", kLibrary));
}

}  // namespace

CudaRuntime CudaRuntime::open() {
  void* library = load();
  const auto table = reinterpret_cast<const CudaTable* (*)()>(dlsym(library, "trireme_cuda"));
  if (table == nullptr) throw unavailable(fmt::format("{} is of another version", kLibrary));
  std::string why_none;
  const int devices = table()->devices(why_none);
  if (devices == 0) {
    throw unavailable(why_none +
                      ": no NVIDIA driver is running, or CUDA_VISIBLE_DEVICES hides all");
  }
  return CudaRuntime(table(), devices);
}

}  // namespace trireme
