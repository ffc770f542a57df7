#include "launch/engine.h"

#include <dlfcn.h>

#include <filesystem>

namespace trireme {

const Engine& Engine::open() {
  const auto file =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "libtrireme_engine.so";
  // Global, because LibTorch's CUDA half, if it is loaded later, finds its host half by symbols.
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL);
  void* function = library ? dlsym(library, "trireme_engine") : nullptr;
  if (!function)
    throw Error(Exit::kBug, std::string("[engine] ") + dlerror() +
                                " -> libtrireme_engine.so and its libraries -> the program was "
                                "moved away from its build; run ./launch/setup");
  return *reinterpret_cast<const Engine* (*)()>(function)();
}

}  // namespace trireme
