#include "src/render/identity.h"

#include <ATen/Version.h>
#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include <nlohmann/json.hpp>

#include "src/config/describe_job.h"
#include "src/config/hash.h"
#include "src/config/mapped_text.h"
#include "src/output/commit.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr int kThreadsThatDoNotMatter = 2;

// Hashes of files, with what the files looked like then.
class KnownHashes {
 public:
  KnownHashes(FileSystem& files, fs::path note) : files_(files), note_(std::move(note)) {
    if (is_there(files_, note_))
      known_ = ordered_json::parse(read_file(files_, note_), nullptr, false);
    if (!known_.is_object()) known_ = ordered_json::object();
  }

  std::string hash(const fs::path& path) {
    const auto status = files_.status(path);
    const auto looks = fmt::format("{} {}", status.bytes, status.changed);
    const auto known = known_.find(path.string());
    if (known != known_.end() && (*known)["looks"] == looks) return (*known)["xxh3"];
    const MappedText mapped(path.string(), "weights", "a file of weights");
    const auto hash = xxh3_128(mapped.text());
    known_[path.string()] = {{"looks", looks}, {"xxh3", hash}};
    changed_ = true;
    return hash;
  }

  std::string changed() const { return changed_ ? known_.dump(1) + "\n" : ""; }

 private:
  FileSystem& files_;
  fs::path note_;
  ordered_json known_;
  bool changed_ = false;
};

// Tokenizers go with their encoders; where those are left out, none may be there.
bool is_used(const Inputs& inputs, const std::string& component) {
  if (component.starts_with("tokenizer")) return false;
  if (component == "vae") return inputs.decodes();
  if (component == "transformer") return inputs.denoises();
  return component.starts_with("text_encoder") ? inputs.encodes() : true;
}

std::vector<fs::path> files_of(const Component& component) {
  return component.has_weights() ? component.weight_files().files : std::vector<fs::path>();
}

fs::path note_of(const Inputs& inputs) {
  return fs::path(inputs.job().output.path.resolved) / ".trireme" / "weights.json";
}

ordered_json components_of(const Inputs& inputs, KnownHashes& known) {
  ordered_json hashes;
  for (const auto& name : inputs.repository().component_names()) {
    if (!is_used(inputs, name)) continue;
    const auto component = inputs.repository().component(name);
    const bool tells = component && (component->has_weights() || name == "scheduler");
    if (!tells) continue;
    auto told = component->config().text();
    for (const auto& file : files_of(*component)) told += known.hash(file);
    hashes[name] = xxh3_128(told);
  }
  return hashes;
}

// Which files the job makes, as runs of their indices, both ends included: [[0, 999], [2000,
// 2000]].
ordered_json indices_of(const Inputs& inputs) {
  ordered_json runs = ordered_json::array();
  for (int64_t position = 0; position < inputs.file_count(); ++position) {
    const auto index = inputs.index(position);
    if (runs.empty() || runs.back()[1] != index - 1) {
      runs.push_back({index, index});
    } else {
      runs.back()[1] = index;
    }
  }
  return runs;
}

}  // namespace

std::string arithmetic_of(const Machine& machine) {
  if (!machine.device.is_cpu())
    return fmt::format("torch {}, {}", TORCH_VERSION, machine.device_name);
  const auto threads =
      machine.threads > kThreadsThatDoNotMatter ? fmt::format(", {} threads", machine.threads) : "";
  return fmt::format("torch {}, cpu, {}{}", TORCH_VERSION, at::get_cpu_capability(), threads);
}

JobIdentity identity_of(const Inputs& inputs, const Machine& machine, FileSystem& files) {
  KnownHashes known(files, note_of(inputs));
  const ordered_json made_of = {{"rows", inputs.rows_hash()},
                                {"indices", indices_of(inputs)},
                                {"weights", components_of(inputs, known)},
                                {"arithmetic", arithmetic_of(machine)}};
  return {.output = {.job = to_json(inputs.job()).dump(),
                     .made_of = made_of.dump(),
                     .fingerprint = fingerprint(inputs.job(), made_of.dump())},
          .hashes = known.changed()};
}

void note_hashes(const Inputs& inputs, const JobIdentity& identity, FileSystem& files) {
  if (identity.hashes.empty()) return;
  make_folder(files, note_of(inputs).parent_path());
  replace(files, note_of(inputs), identity.hashes);
}

}  // namespace trireme
