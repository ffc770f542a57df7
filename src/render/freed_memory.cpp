#include "src/render/freed_memory.h"

#include <malloc.h>

namespace trireme {
namespace {

void set_thresholds(int map_bytes, int trim_bytes) {
  mallopt(M_MMAP_THRESHOLD, map_bytes);
  mallopt(M_TRIM_THRESHOLD, trim_bytes);
}

}  // namespace

void let_freed_memory(FreedMemory wanted) {
  switch (wanted) {
    case FreedMemory::kGoesBack:
      return set_thresholds(128 << 10, 128 << 10);
    case FreedMemory::kStays:
      return set_thresholds(32 << 20, 256 << 20);
    case FreedMemory::kStaysInPart:
      return set_thresholds(8 << 20, 32 << 20);
  }
}

void give_back_freed_memory() {
  malloc_trim(0);
}

}  // namespace trireme
