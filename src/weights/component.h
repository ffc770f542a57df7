// Component: one part of a checkpoint (transformer, vae, text_encoder_3, tokenizer, scheduler ...),
// wherever it stands: a folder of its own, a part of a single file, or for SD3's scheduler no file
// at all. It knows its config and where its weights are, and holds none.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "parallel/quantization.h"
#include "src/weights/component_config.h"
#include "src/weights/component_source.h"
#include "src/weights/single_file.h"
#include "src/weights/weight_files.h"

namespace trireme {

class Component {
 public:
  Component(std::string name, std::string class_name, std::filesystem::path folder,
            std::string variant, std::string remedy);
  // In a single file.
  Component(std::string name, std::filesystem::path file, FilePart part);
  // In no file: a scheduler.
  Component(std::string name, ComponentConfig config);

  const std::string& name() const { return name_; }
  const std::string& class_name() const { return class_name_; }
  // Or the single file; empty for what is in none.
  const std::filesystem::path& folder() const { return folder_; }

  // config.json; the scheduler's scheduler_config.json; a tokenizer's tokenizer_config.json.
  ComponentConfig config() const;
  // The same with files of another variant.
  Component of_variant(const std::string& variant) const;
  bool has_weights() const;  // schedulers and tokenizers have none
  WeightFiles weight_files() const;
  // Opens the files: a few headers, no weights. Linear weights become what the job says, unless the
  // files hold codes already: asked for both, it is an Error (kBadJob). `activation_threshold`: for
  // models whose activations are int8 too where their weights are; files may have one of their own.
  std::shared_ptr<ComponentSource> open(at::ScalarType dtype, at::Device device,
                                        std::optional<double> activation_threshold = {}) const;
  Component quantized(Quantization how) const;
  const Quantization& quantization() const { return quantization_; }

 private:
  std::string name_;
  std::string class_name_;
  std::filesystem::path folder_;
  std::string variant_;
  std::string remedy_;
  std::optional<ComponentConfig> made_;            // no file says it
  std::shared_ptr<const TensorMap> tensors_ = {};  // of a single file
  Quantization quantization_;
};

}  // namespace trireme
