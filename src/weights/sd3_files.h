// What goes with an SD3 single file: which part of a file a component is, what stands in for the
// files that a repository would have beside it, and how users are told what is missing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "src/weights/component_config.h"
#include "src/weights/hub_cache.h"
#include "src/weights/single_file.h"

namespace trireme {

// The part that serves as this component of a pipeline of this class: text_encoder is CLIP-L in SD3
// and T5 in PixArt. Nothing for what no single file holds.
std::optional<PartKind> part_kind(const std::string& component, const std::string& pipeline);

// The component of SD3 that the part is.
std::string component_of(PartKind kind);

// As model_index.json would be.
ComponentConfig sd3_index(const std::filesystem::path& file);
// The scheduler that all SD3 and SD3.5 repositories have.
ComponentConfig sd3_scheduler(const std::filesystem::path& file);

// The folder `name` (tokenizer, tokenizer_2, tokenizer_3) of the first SD3 repository in the cache
// that has it, by name, its main revision first. Error (kMissingInput) says how to get one.
std::filesystem::path find_sd3_tokenizer(const HubCache& hub, const std::string& name);

// Error (kBadData) if the file is a part that cannot be a model's path.
void require_transformer(const SingleFile& file);
// Error (kMissingInput): the model's file does not hold this component.
[[noreturn]] void refuse_missing_part(const SingleFile& file, const std::string& component,
                                      PartKind kind);
// Error (kBadData): a component's file holds something else.
[[noreturn]] void refuse_other_part(const SingleFile& file, const std::string& component,
                                    std::optional<PartKind> kind);

}  // namespace trireme
