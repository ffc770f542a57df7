// The `parameters` text of AUTOMATIC1111's web UI, which image viewers and galleries read: the
// prompt, the negative prompt and one line of "Name: value" pairs. Fields that are not set are
// left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace trireme {

struct PictureFacts {
  std::string prompt = {};
  std::string negative_prompt = {};
  std::optional<std::int64_t> steps = {};
  std::string sampler = {};
  std::optional<double> guidance_scale = {};
  std::string seed = {};  // as written: seeds may be signed or use all 64 bits
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::string model = {};
  std::vector<std::pair<std::string, std::string>> more = {};  // further fields, before Version
};

std::string a1111_parameters(const PictureFacts& facts);

}  // namespace trireme
