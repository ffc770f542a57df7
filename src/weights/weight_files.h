// Which files hold a component's weights: one file, or shards with an index, in the spellings that
// diffusers and transformers have used for names and variants. A folder with pickles alone is
// refused; a variant that is not there is never replaced by another.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "src/weights/mapped_file.h"

namespace trireme {

struct WeightFiles {
  std::vector<std::filesystem::path> files;   // sorted by name, each of them there
  std::map<std::string, size_t> listed;       // tensor -> file, as an index says; empty without one
  std::string place;                          // the file, or the index
  std::shared_ptr<const TensorMap> map = {};  // of the only file, if it goes by other names
};

struct WeightQuery {
  std::filesystem::path folder;
  std::string stem = "diffusion_pytorch_model";  // transformers' components: model
  std::string variant;                           // empty: none
  std::string remedy;                            // what to do if files are missing
};

// Error: kMissingInput names what was looked for and what is there; kBadData for pickles and for an
// index that is not one.
WeightFiles find_weight_files(const WeightQuery& query);
// Those that weights in the folder have, sorted; not the plain one.
std::vector<std::string> variants_in(const std::filesystem::path& folder);
// Some weights in the folder are of this variant.
bool has_variant(const std::filesystem::path& folder, const std::string& variant);

}  // namespace trireme
