// SingleFile: what an original .safetensors file holds: the parts of SD3 by the prefixes of their
// names, or one part alone under no prefix. Told from the header, before any weight is read. Every
// tensor belongs to a part or is known to be of no use. A file of another model is refused by its
// name, one of a known kind with what is wrong in it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/weights/component_config.h"
#include "src/weights/mapped_file.h"

namespace trireme {

enum class PartKind { kTransformer, kVae, kClipL, kClipG, kT5 };
std::string_view described(PartKind kind);   // "an SD3 transformer"
std::string_view class_name(PartKind kind);  // diffusers' or transformers'

struct FilePart {
  PartKind kind;
  ComponentConfig config;  // as its config.json would be, made from shapes
  std::shared_ptr<const TensorMap> tensors;
};

struct SingleFile {
  std::filesystem::path path;
  std::vector<FilePart> parts;

  // nullptr if it is not there.
  const FilePart* find(PartKind kind) const;
  // "an SD3 transformer and a VAE"
  std::string contents() const;
};

// Error (kBadData) if the file is damaged, of another kind, or its parts are incomplete. `wanted`
// decides for a CLIP file whose shapes are of none of the two published ones.
SingleFile read_single_file(const std::filesystem::path& path,
                            std::optional<PartKind> wanted = std::nullopt);

}  // namespace trireme
