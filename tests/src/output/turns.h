// Turns: several writers on one disk, each on a thread of its own, of which one goes on at a time:
// a schedule says who makes the next call. So what two processes do at once can be tried in every
// order, and again.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "src/output/file_system.h"

namespace trireme {

// Given how many calls were made in all, whose turn it is; a writer that has ended is passed over.
using Schedule = std::function<std::size_t(std::int64_t calls)>;
using Program = std::function<void(FileSystem& files)>;

struct TurnOptions {
  Schedule schedule;
  std::int64_t kill_first_at = -1;  // call of the first writer from which on it is dead
};

// Runs all to their end. What they throw must be caught by them.
void take_turns(FileSystem& disk, const std::vector<Program>& programs, const TurnOptions& options);

}  // namespace trireme
