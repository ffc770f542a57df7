// Writer: the name of a process that writes into an output folder, unique over hosts and restarts:
// `HOST-PID-START`, where HOST stands for a kernel that was booted once (and its process
// namespace). Told from a name alone: whether that process is dead, if it was one of this host.
// Nothing that must be right rests on it.
#pragma once

#include <string>
#include <string_view>

namespace trireme {

enum class Life { kAlive, kDead, kUnknown };

std::string this_writer();
// kUnknown for a process of another host, or a name of something else.
Life life_of(std::string_view writer);

}  // namespace trireme
