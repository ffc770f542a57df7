// Error: the one exception of this program. It carries the exit code that job.md promises and a
// text `[place] value -> requirement -> likely cause` that a user can act on. Anything else that
// escapes to main is a bug and ends with kBug.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace trireme {

// Exit codes, after sysexits.h where it has a fitting one.
enum class Exit : int {
  kDone = 0,
  kUsage = 64,          // the command line is wrong
  kBadData = 65,        // bad prompts or weights
  kMissingInput = 66,   // a file or a component is not there
  kUnavailable = 69,    // a GPU or another rank is unavailable
  kBug = 70,            // ours
  kCannotCreate = 73,   // output cannot be created
  kInputOutput = 74,    // I/O error or disk full
  kTryElsewhere = 75,   // try again elsewhere
  kTooManyFailed = 76,  // finished, but more prompts failed than the budget allows
  kNoPermission = 77,   // no permission
  kBadJob = 78,         // bad job file
  kDrained = 85,        // stopped on request; run again to go on
};

class Error : public std::runtime_error {
 public:
  Error(Exit exit, const std::string& message) : std::runtime_error(message), exit_(exit) {}
  Exit exit() const { return exit_; }

 private:
  Exit exit_;
};

}  // namespace trireme
