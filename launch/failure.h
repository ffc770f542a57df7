// How a failure is told: one line that a user can act on, said once however many ranks meet it.
#pragma once

#include <exception>
#include <string>

#include "launch/launched.h"
#include "parallel/error.h"

namespace trireme {

// The message and exit code of any exception. What is not an Error is a bug, and says so.
struct Failure {
  Exit exit;
  std::string message;

  static Failure of(const std::exception_ptr& exception);
};

// First of all in main: what would end the process without a word becomes an error that is told. A
// file beyond the limit on sizes and a reader that is gone are errors of write(); a page of a
// mapped file that cannot be had, and an exception that nobody catches, end with a message.
void prepare_for_failures();

// Prints the message. Rank 0 does at once and the others a moment later, the lower ones first: what
// several ranks found alike is told by the lowest, whose end lets the launcher end the others; what
// one rank found it tells itself.
void say_once(const Failure& failure, const Launched& launched);

}  // namespace trireme
