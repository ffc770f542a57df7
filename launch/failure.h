// How a failure ends the program: one line that a user can act on, said once, and every rank gone
// within seconds, none left waiting for one that is dead.
#pragma once

#include <exception>

#include "launch/process.h"
#include "parallel/error.h"

namespace trireme {

// The message and exit code of any exception. What is not an Error is a bug, and says so.
struct Failure {
  Exit exit;
  std::string message;

  static Failure of(const std::exception_ptr& exception);
};

// Before MPI is started: rank 0 prints, the others wait a moment so that it can.
Exit say_once(const Failure& failure, const Launched& launched);

// With MPI running: names rank and host, then ends the world with the failure's exit code. The
// failing rank's peers are ended by the launcher.
[[noreturn]] void end_all_ranks(const Process& process, const std::exception_ptr& exception);

}  // namespace trireme
