// verify_output: whether an output folder holds what it promises, told from its files alone: no
// model, no prompts, no run. Looks while runs are at work as well as after them, and changes
// nothing but notes under OUT/.trireme, by which the next run looks again at what is damaged.
//
// Looked at are job.json (by its fingerprint), every manifest (as it was written, its sums, its
// place in the job), every file and tar by size and SHA-256, members of tars by what WebDataset
// needs, records and files of shards that are not sealed yet, metadata.jsonl and failed.jsonl (by
// their notes and against the manifests), names that look like samples or shards and that nothing
// promises, and whether samples decode: some of them, or all.
//
// Not looked at: README.md, logs, metrics, report.html and files of other names at the top, which
// are the owner's. A job that is not finished is no damage. Memory is that of a few manifests; of
// damages so many are kept.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "src/output/file_system.h"
#include "src/output/record.h"

namespace trireme {

struct Damage {
  std::string file;                        // relative to OUT
  std::optional<std::int64_t> index = {};  // of the sample, where it is one's
  std::string what = {};

  bool operator==(const Damage&) const = default;
};

struct VerifyProgress {
  std::int64_t samples = 0;  // looked at
  std::int64_t total = 0;    // of the job
  std::int64_t bytes = 0;    // read
};

struct VerifyOptions {
  bool deep = false;  // every sample is decoded
  int threads = 1;
  std::size_t most_damages = 100'000;
  // Whether a sample's bytes can be read; throws Error (kBadData) with the reason.
  std::function<void(std::string_view bytes, const std::string& name)> decode =
      [](std::string_view, const std::string&) {};
  std::function<void(const VerifyProgress&)> progress = {};  // any thread, one at a time
};

struct Verified {
  std::int64_t shards = 0;           // sealed
  std::int64_t open_shards = 0;      // not sealed
  std::int64_t total = 0;            // samples of the job
  Verdicts verdicts = {};            // of those looked at
  std::int64_t bytes = 0;            // read
  std::int64_t decoded = 0;          // samples
  std::vector<Damage> damages = {};  // by file
  std::int64_t more_damages = 0;     // that were not kept

  bool ok() const { return damages.empty() && more_damages == 0; }
  std::int64_t open() const { return total - verdicts.all(); }
};

// {ok, shards, samples, problems: [{file, index, what}], ...}
nlohmann::ordered_json to_json(const Verified& verified);

// Error: kMissingInput where there is no output folder; other damage, of job.json too, is told in
// the result.
Verified verify_output(FileSystem& files, const std::filesystem::path& out,
                       const VerifyOptions& options);

}  // namespace trireme
