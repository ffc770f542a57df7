#include "tests/bench/published_method.h"

#include <algorithm>
#include <regex>

namespace trireme {
namespace {

// Compilers fuse element-wise work [machines.json: 14 X for 38 X] and launch by graphs.
constexpr double kCompiledTraffic = 14.0 / 38, kCompiledLaunch = 0.1;
// diffusers' own attention processors copy more than xDiT's [by three published points].
constexpr double kDiffusersTraffic = 2;
// Rates of fp8 over bf16 products [machines.json: H200 1300 / 790], of FA3 over FA2 at heads of 128
// [FA3 paper, H100: 638 / 368], of float16 over float32 sums on consumer cards [data sheet: 2].
constexpr double kFp8 = 1.65, kFa3 = 1.7, kHalfSums = 2;

bool has(const std::string& words, const char* word) {
  return words.find(word) != std::string::npos;
}

void add_split(Method& method, const std::string& name, int n) {
  if (name == "cfg") method.guidance = n;
  if (name == "ulysses") method.ulysses = n;
  if (name == "ring") method.ring = n;
  if (name == "tensor" || name == "tp") method.tensor = n;
  if (name == "pipefusion") method.pipefusion = n;
  if (name == "distrifusion") method.distrifusion = n;
  // Ulysses inside, a ring of two around it, as xDiT's charts have it.
  if (name == "usp") method.ulysses = n > 2 ? n / 2 : n, method.ring = n > 2 ? 2 : 1;
}

}  // namespace

Method read_method(const std::string& words) {
  Method method;
  static const std::regex kSplit("(cfg|ulysses|ring|tensor|tp|usp|pipefusion|distrifusion)(\\d+)");
  for (std::sregex_iterator at(words.begin(), words.end(), kSplit), end; at != end; ++at)
    add_split(method, (*at)[1], std::stoi((*at)[2]));
  method.compiled = has(words, "compile") || has(words, "nexfort");
  method.diffusers = has(words, "diffusers") && !method.compiled;
  method.fp8 = has(words, "fp8");
  method.fa3 = has(words, "FA3");
  method.half_sums = has(words, "fp16 accumulate");
  return method;
}

void apply(const Method& method, Rates& rates) {
  if (method.compiled) rates.traffic *= kCompiledTraffic, rates.launch *= kCompiledLaunch;
  if (method.diffusers) rates.traffic *= kDiffusersTraffic;
  if (method.fp8) rates.matmul *= kFp8;
  if (method.half_sums) rates.matmul *= kHalfSums;
  if (method.fa3)
    for (auto& [dim, rate] : rates.attention) rate *= kFa3;
}

}  // namespace trireme
