// Runs a command to its end and tells how it ended.
#pragma once

#include <sys/wait.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <string>

namespace trireme {

struct CommandEnding {
  int code;  // -1: by a signal
  double seconds;
  std::string text;  // stdout and stderr
};

inline CommandEnding run_command(const std::string& command) {
  const auto begin = std::chrono::steady_clock::now();
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  while (const auto length = fread(buffer.data(), 1, buffer.size(), pipe)) {
    text.append(buffer.data(), length);
  }
  const int status = pclose(pipe);
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, taken.count(), text};
}

}  // namespace trireme
