// libFuzzer: whatever the bytes, reading a job ends in a job or in an Error. Built with
// -DTRIREME_FUZZERS=ON and clang; run as job_fuzzer -max_total_time=60.
//
// A first byte of 1 to 3 makes the rest a .txt, .jsonl or .csv dataset, of 4 a --set argument over
// a good job; anything else is a job file, which must also survive being written out and read
// again.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "src/config/dataset.h"
#include "src/config/describe_job.h"
#include "src/config/job.h"
#include "src/config/prompts.h"

namespace {

constexpr const char* kGoodJob = R"(
version: 1
model: {path: org/name}
prompts: [a cat, {prompt: a dog, seed: 7}]
)";

void read_text_as_job(std::string_view text) {
  trireme::Job job = trireme::parse_job(text, "/jobs/job.yaml");
  if (job.dataset) return;
  trireme::Prompts prompts(job);
  std::string written = trireme::to_json(job).dump();
  trireme::Job again = trireme::parse_job(written, "/jobs/job.yaml");
  if (trireme::to_json(again).dump() != written) std::abort();
}

void read_text_as_dataset(trireme::DatasetKind kind, std::string_view text) {
  trireme::DatasetIndex index = trireme::index_dataset(kind, text);
  auto rows = static_cast<int64_t>(index.starts.size()) - 1;
  for (int64_t row = 0; row < rows; ++row) {
    trireme::read_dataset_row(kind, text, index, row, trireme::Sampling{});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    unsigned first = size > 0 ? data[0] : 0;
    if (first >= 1 && first <= 3) {
      read_text_as_dataset(static_cast<trireme::DatasetKind>(first - 1), text.substr(1));
    } else if (first == 4) {
      trireme::parse_job(kGoodJob, "/jobs/job.yaml", {std::string(text.substr(1))});
    } else {
      read_text_as_job(text);
    }
  } catch (const trireme::Error&) {
  }
  return 0;
}
