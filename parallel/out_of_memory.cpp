#include "parallel/out_of_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <iterator>
#include <new>
#include <string>

#include "parallel/error.h"

namespace trireme {
namespace {

// Libraries say so in the text of a general error: LibTorch for the host and for a GPU, oneDNN
// where a kernel finds no room, the system where a thread does not.
bool tells_of_memory(const std::string& text) {
  constexpr const char* kTexts[] = {"can't allocate memory", "out of memory",
                                    "could not create a primitive", "could not execute a primitive",
                                    "Resource temporarily unavailable"};
  return std::any_of(std::begin(kTexts), std::end(kTexts),
                     [&](const char* known) { return text.find(known) != std::string::npos; });
}

}  // namespace

void require_memory_for_kernels() {
  constexpr std::size_t kBytes = 4 << 20;  // some kernels for each of some threads
  void* room = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) throw std::bad_alloc();
  munmap(room, kBytes);
}

bool is_out_of_memory(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error&) {
    return false;
  } catch (const std::bad_alloc&) {
    return true;
  } catch (const std::exception& error) {
    return tells_of_memory(error.what());
  } catch (...) {
    return false;
  }
}

}  // namespace trireme
