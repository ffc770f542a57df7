// Manifest: what a shard promises, OUT/000042.json, written last. A shard counts when its manifest
// is there, parses and matches; all else about it is work under way. It says nothing of when, where
// or by whom, so that the same job gives the same bytes.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "src/output/record.h"

namespace trireme {

struct Manifest {
  std::int64_t shard = 0;   // its number
  std::int64_t first = 0;   // index of its first sample
  std::string file = {};    // of a tar: its name; else empty
  std::int64_t bytes = 0;   // of the tar, or of all files together
  std::string sha256 = {};  // of the tar, or of the lines "SHA256  FILE\n" of its files
  std::vector<SampleRecord> samples = {};  // by index

  Verdicts verdicts() const;
  bool operator==(const Manifest&) const = default;
};

// A line a sample.
std::string to_text(const Manifest& manifest);
// kBadData names `place` and what is wrong: any text that to_text() does not give, or sums that
// disagree. What only the text itself knows, reasons and the hashes inside a tar, is believed.
Manifest manifest_from(std::string_view text, const std::string& place);

// Whether `text`, of which it was read, is what to_text() gives, and its own sums are right; of a
// tar those of the file are not asked for.
bool is_as_written(const Manifest& manifest, std::string_view text);

// bytes and sha256 of a shard of single files.
void sum_files(Manifest& manifest);

}  // namespace trireme
