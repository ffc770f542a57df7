// The part of verify_output that looks at one shard.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "src/output/crew.h"
#include "src/output/output_job.h"
#include "src/output/shard_store.h"
#include "src/output/verify.h"

namespace trireme {

struct ShardLook {
  bool sealed = false;
  Verdicts verdicts = {};
  std::vector<Damage> damages = {};
  std::int64_t more_damages = 0;  // that were not kept
  // Samples that the next run would not find to be damaged by itself.
  std::vector<std::int64_t> suspects = {};
};

class ShardVerifier {
 public:
  // All must outlive this.
  ShardVerifier(FileSystem& files, const std::filesystem::path& out, const OutputJob& job,
                const ShardStore& store, const VerifyOptions& options, Crew& crew);

  // What is found is in `look`, which must stay where it is, when the crew has waited.
  void verify(std::int64_t place, ShardLook& look);
  // As if it had not been looked at. Not while the crew works on it.
  void forget(ShardLook& look);

  // The place in the job of a file by its name, without a folder; nothing for other names.
  std::optional<std::int64_t> position_of(const std::string& name) const;

  std::int64_t bytes() const { return bytes_; }
  std::int64_t decoded() const { return decoded_; }

 private:
  void verify_sealed(std::int64_t place, const std::vector<std::string>& names, ShardLook& look);
  void verify_open(std::int64_t place, const std::vector<std::string>& names, ShardLook& look);
  bool fits(const Manifest& manifest, const std::string& text, std::int64_t place, ShardLook& look);
  bool is_well_told(const SampleRecord& record) const;
  void verify_files(const std::vector<SampleRecord>& samples, std::int64_t place, ShardLook& look);
  void verify_names(const std::vector<std::string>& names,
                    const std::vector<SampleRecord>& promised, std::int64_t place, ShardLook& look);
  void verify_file(const SampleRecord& record, bool decodes, ShardLook& look);
  void verify_tar(const Manifest& manifest, std::int64_t place, ShardLook& look);
  // `blamed`: the file that is damaged where something does not fit.
  void verify_members(const Manifest& manifest, std::int64_t place, const std::string& blamed,
                      ShardLook& look);
  void verify_member(const SampleRecord& record, const std::string& suffix,
                     const std::string& content, const std::string& blamed, ShardLook& look);
  void decode(const SampleRecord& record, std::string_view bytes, ShardLook& look);
  bool decodes(std::int64_t index, std::int64_t place) const;

  std::vector<std::string> names_of(std::int64_t place) const;
  std::string manifest_name(std::int64_t place) const;
  void add(ShardLook& look, Damage damage);
  void count(std::int64_t samples, std::int64_t bytes);

  FileSystem& files_;
  const std::filesystem::path& out_;
  const OutputJob& job_;
  const ShardStore& store_;
  const VerifyOptions& options_;
  Crew& crew_;
  std::mutex mutex_;
  std::atomic<std::int64_t> samples_ = 0, bytes_ = 0, decoded_ = 0;
  std::size_t kept_ = 0;  // damages, and those beyond the most
};

// "[place] what -> ...": what.
std::string what_is_said(const std::exception& error);

}  // namespace trireme
