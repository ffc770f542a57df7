// What becomes of memory that this process frees: whether it goes back to the system at once or
// waits here to be used again. Of the C library's allocator, for the whole process.
#pragma once

namespace trireme {

enum class FreedMemory {
  // What is freed while weights are read and laid out leaves holes that later ones do not fit, and
  // a rank's memory at load is to stay within its share: pieces of 128 KiB and more come from the
  // system and go back to it.
  kGoesBack,
  // Layers free memory and ask for as much again at once; to hand it to the system in between costs
  // a tenth of a step.
  kStays,
  // ... and saves up to a seventh of the memory: a job that is staged wants that.
  kStaysInPart,
};

void let_freed_memory(FreedMemory wanted);
// What waits here goes back now, holes between what is still used included.
void give_back_freed_memory();

}  // namespace trireme
