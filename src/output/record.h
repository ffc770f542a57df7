// SampleRecord: what became of one sample, and what a manifest promises of its file. Every row ends
// in one of three ways.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace trireme {

enum class Verdict { kDone, kFailed, kSkipped };
const char* to_string(Verdict verdict);  // "done"

// A part of a sample in a tar: `00000007.png` is member "png".
struct Member {
  std::string suffix;
  std::int64_t bytes = 0;

  bool operator==(const Member&) const = default;
};

struct SampleRecord {
  std::int64_t index = 0;
  Verdict verdict = Verdict::kDone;
  std::string code = {};    // of a failure: "nan", "bad_row", kBadInput; of a skip: its rule
  std::string reason = {};  // for people, on one line
  std::string file = {};    // relative to OUT, or the name inside the tar
  std::int64_t bytes = 0;   // of that file
  std::string sha256 = {};  // of that file, in hex
  std::vector<Member> members = {};  // webdataset, in the order of the tar

  bool operator==(const SampleRecord&) const = default;
};

// Keys: index, status, then what is not empty.
nlohmann::ordered_json to_json(const SampleRecord& record);
// Throws nlohmann::json::exception for what is no record.
SampleRecord record_from(const nlohmann::ordered_json& json);

// Failures of what a job reads besides its rows, which may have been mended: they are tried again
// by the next run.
inline constexpr const char* kBadInput = "bad_input";
bool may_be_tried_again(const SampleRecord& record);

// How many ended how.
struct Verdicts {
  std::int64_t done = 0, failed = 0, skipped = 0;

  std::int64_t all() const { return done + failed + skipped; }
  void add(Verdict verdict);
  void add(const Verdicts& other);
  bool operator==(const Verdicts&) const = default;
};

}  // namespace trireme
