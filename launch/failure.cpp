#include "launch/failure.h"

#include "parallel/out_of_memory.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <new>
#include <thread>

namespace trireme {
namespace {

// Long enough for rank 0 to say what all ranks found, and for the launcher to end them then; of
// others that found it without rank 0, one speaks before the next.
std::chrono::milliseconds turn_to_speak(int rank) {
  constexpr int kRankZeroFirst = 2000, kNext = 100, kLastTurn = 20;
  return std::chrono::milliseconds(kRankZeroFirst + kNext * std::min(rank, kLastTurn));
}

// What a launcher that ends us meanwhile is to see: the code, not a death by its signal.
volatile std::sig_atomic_t exit_when_ended = 1;

void end_quietly(int) {
  _exit(exit_when_ended);
}

// In a handler: nothing but system calls.
void end_for_a_lost_page(int) {
  static constexpr char kMessage[] =
      "[memory] a page of a mapped file could not be had (SIGBUS) -> weights files that stay as "
      "they "
      "are, and room in /dev/shm -> one was shortened while in use, its disk fails, or /dev/shm is "
      "full\n";
  [[maybe_unused]] const auto written = write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
  _exit(static_cast<int>(Exit::kInputOutput));
}

void let_lower_ranks_speak(Exit exit, int rank) {
  exit_when_ended = static_cast<int>(exit);
  std::signal(SIGTERM, end_quietly);
  std::this_thread::sleep_for(turn_to_speak(rank));
}

void say_the_last(const Failure& failure) {
  std::fputs((failure.message + "\n").c_str(), stderr);
  std::fflush(stderr);
}

[[noreturn]] void end_for_an_exception() {
  const auto failure = Failure::of(std::current_exception());
  say_the_last(failure);
  _exit(static_cast<int>(failure.exit));
}

Failure out_of_memory() {
  return {Exit::kTryElsewhere,
          "[memory] an allocation failed -> more memory -> smaller batches or sizes, or more ranks "
          "with tensor or pipeline splits"};
}

}  // namespace

Failure Failure::of(const std::exception_ptr& exception) {
  if (is_out_of_memory(exception)) return out_of_memory();
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return {error.exit(), error.what()};
  } catch (const std::exception& error) {
    const std::string text = error.what();
    // LibTorch's messages go on with a stack trace; the first line says what happened.
    return {Exit::kBug, "[bug] " + text.substr(0, text.find('\n')) +
                            " -> this should not happen -> please report it with the job file"};
  } catch (...) {
    return {Exit::kBug, "[bug] an unknown exception -> this should not happen -> please report it"};
  }
}

void prepare_for_failures() {
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGBUS, end_for_a_lost_page);
  std::set_terminate(end_for_an_exception);
  // Libraries ask where they are; a folder that was removed is nowhere.
  std::error_code gone;
  [[maybe_unused]] const auto here = std::filesystem::current_path(gone);
  if (gone) std::filesystem::current_path("/", gone);
}

void say_once(const Failure& failure, const Launched& launched) {
  if (launched.rank != 0) let_lower_ranks_speak(failure.exit, launched.rank);
  say_the_last(failure);
}

}  // namespace trireme
