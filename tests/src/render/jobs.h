// Jobs over the tiny PixArt, as users write them.
#pragma once

#include <string>

#include "src/config/job.h"

namespace trireme {

inline Job pixart_job(const std::string& rest) {
  return parse_job("version: 1\nmodel: {path: demo/pixart}\n" + rest, "./job.yaml");
}

}  // namespace trireme
