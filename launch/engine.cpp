#include "launch/engine.h"

#include <dlfcn.h>

#include <cstdlib>
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

// OpenMP's threads wait for each other by spinning, for milliseconds. Where others use the machine
// too, a thread that spins has the core that the one it waits for needs: the demo took 18 seconds
// for one. A short spin costs 4 % on an idle machine. Read when the library is loaded.
void spin_briefly() {
  constexpr const char* kTurns = "1000";
  if (std::getenv("OMP_WAIT_POLICY") == nullptr) setenv("GOMP_SPINCOUNT", kTurns, /*overwrite=*/0);
}

}  // namespace

const Engine& Engine::open() {
  spin_briefly();
  const auto file =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libtrireme_engine.so";
  // Global, because LibTorch's CUDA half, if it is loaded later, finds its host half by symbols.
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  void* function = library ? dlsym(library, "trireme_engine") : nullptr;
  if (!function) throw cannot_load(dlerror());
  return *reinterpret_cast<const Engine* (*)()>(function)();
}

}  // namespace trireme
