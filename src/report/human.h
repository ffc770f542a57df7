// Numbers as people say them: two or three digits and a unit.
#pragma once

#include <string>

namespace trireme {

std::string human_bytes(double bytes);       // 512 B, 1.5 KiB, 80 GiB
std::string human_duration(double seconds);  // 0.4 s, 45 s, 2 min, 1 h 05 min, 3 d 4 h
std::string human_rate(double per_second);   // 1.4 pictures/s, 3.1 pictures/min, 12 pictures/h

}  // namespace trireme
