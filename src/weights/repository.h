// Repository: a checkpoint as users name it (a diffusers folder, org/name[@revision] found offline
// in the Hugging Face cache, or an original single file) with the job's own choices over it: a
// component left out, or taken from elsewhere. It reads model_index.json or the file's header and
// looks for files; it holds no weights. A component that model_index.json gives as [null, null], or
// the job as null, is absent. To a single file belong the scheduler that SD3 was published with and
// the tokenizers of any SD3 repository in the cache.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "parallel/quantization.h"
#include "src/weights/component.h"
#include "src/weights/component_config.h"
#include "src/weights/hub_cache.h"
#include "src/weights/single_file.h"

namespace trireme {

// One entry of `model.components`.
struct ComponentOverride {
  bool absent = false;
  // A folder, org/name[@revision] or a single file; empty: where the repository has it.
  std::string path;
  Quantization quantization = {};  // of its linear weights
};

struct RepositoryOptions {
  std::string variant;  // diffusers' file variant; empty: none
  std::map<std::string, ComponentOverride> components;
  HubCache hub = HubCache::from_environment();
};

constexpr int64_t kPixelsPerLatent = 8;  // of a side, in all models here

// Where a path or org/name leads. Error (kMissingInput) if nothing is there.
std::filesystem::path find_checkpoint(const std::string& text, const HubCache& hub);
// sd3 | sd3.5-medium | sd3.5-large | pixart-sigma, by a transformer's config; "" for another class.
std::string family_of_transformer(const ComponentConfig& config);

class Repository {
 public:
  // Error: kMissingInput if nothing is there, kBadData if it is no diffusers folder and no single
  // file with an SD3 transformer.
  static Repository open(const std::string& path, RepositoryOptions options = {});

  // Nothing if absent. Error (kMissingInput) if it should be there and is not.
  std::optional<Component> component(const std::string& name) const;
  // As above, for what cannot be left out: absent is an Error (kMissingInput).
  Component required(const std::string& name) const;
  // diffusers' or transformers' class; "" if absent.
  std::string class_of(const std::string& name) const;
  // Those of model_index.json and the job that are not absent.
  std::vector<std::string> component_names() const;

  std::string pipeline_class() const;
  std::string family() const;  // sd3 | sd3.5-medium | sd3.5-large | pixart-sigma
  // The side in pixels that the transformer was made for.
  int64_t native_size() const;
  const std::filesystem::path& folder() const { return folder_; }  // or the single file
  const std::string& name() const { return name_; }                // as the user named it

 private:
  Repository(std::string name, std::filesystem::path folder, ComponentConfig index,
             RepositoryOptions options, std::string remedy);
  std::optional<Component> find_component(const std::string& name) const;
  Component from_elsewhere(const std::string& name, const std::string& path) const;
  Component from_file(const std::string& name, const std::filesystem::path& file) const;
  // Of the single file, or of what belongs to one.
  Component beside_file(const std::string& name) const;

  std::string name_;
  std::filesystem::path folder_;
  ComponentConfig index_;
  RepositoryOptions options_;
  std::string remedy_;
  std::shared_ptr<const SingleFile> file_ = {};  // where it is one
};

}  // namespace trireme
