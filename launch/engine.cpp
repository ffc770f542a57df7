#include "launch/engine.h"

#include <dlfcn.h>

#include <filesystem>

namespace trireme {

namespace {

Error cannot_load(const std::string& why) {
  // How the loader says that there is no room for the libraries.
  for (const auto* text : {"failed to map segment", "cannot allocate", "cannot map"})
    if (why.find(text) != std::string::npos)
      return Error(Exit::kTryElsewhere, "[memory] " + why +
                                            " -> room for LibTorch's libraries, about 1 GB of "
                                            "addresses -> a limit on memory (ulimit -v)");
  return Error(Exit::kBug,
               "[engine] " + why +
                   " -> libtrireme_engine.so and its libraries -> the program was moved "
                   "away from its build; run ./launch/setup");
}

}  // namespace

const Engine& Engine::open() {
  const auto file =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libtrireme_engine.so";
  // Global, because LibTorch's CUDA half, if it is loaded later, finds its host half by symbols.
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  void* function = library ? dlsym(library, "trireme_engine") : nullptr;
  if (!function) throw cannot_load(dlerror());
  return *reinterpret_cast<const Engine* (*)()>(function)();
}

}  // namespace trireme
