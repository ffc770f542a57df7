// From a checkpoint's folders to models: which class a component is, where its weights are, and
// what in its files no model of ours reads. Each function reads this rank's part and refuses a file
// with tensors that nobody wanted.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>

#include "src/pipelines/recipe.h"
#include "src/pipelines/text.h"
#include "src/transformers/denoiser.h"
#include "src/transformers/position_table.h"
#include "src/vae/decoder.h"
#include "src/weights/repository.h"

namespace trireme {

// Components, as a job needs them or a rank holds them.
struct Parts {
  bool text = false;
  bool transformer = false;
  bool vae = false;
};

Family family_of(const Repository& repository);
// Before any weight is read. Error: kMissingInput for what these parts of the family need and is
// not there, kBadData for components whose widths do not fit each other. The transformer's
// config.json is needed in any case: it says what the model is.
void check_components(const Repository& repository, const Parts& parts);
nlohmann::json scheduler_config(const Repository& repository);

class ComponentLoader {
 public:
  // `residence`: where the weights live, or null.
  ComponentLoader(const Repository& repository, at::ScalarType dtype, at::Device device,
                  std::shared_ptr<Residence> residence = nullptr)
      : repository_(repository), dtype_(dtype), device_(device), residence_(std::move(residence)) {}

  // Heads and hidden units over `tensor`.
  std::unique_ptr<TextEncoders> text_encoders(const Group& tensor) const;
  std::unique_ptr<Denoiser> denoiser(const Mesh& mesh, BeyondTable beyond) const;
  VaeDecoder vae(const Group& patch, bool tiling) const;

 private:
  std::unique_ptr<TextEncoders> sd3_text_encoders(const Group& tensor) const;
  std::unique_ptr<TextEncoders> pixart_text_encoders(const Group& tensor) const;
  Sd3TextEncoders::Clip clip(const std::string& encoder, const std::string& tokenizer,
                             const Group& tensor) const;
  T5Encoder t5(const std::string& encoder, const Group& tensor) const;
  std::shared_ptr<ComponentSource> open(const Component& component,
                                        std::optional<double> activation_threshold = {}) const;
  std::shared_ptr<const Tokenizer> tokenizer(const std::string& name) const;

  const Repository& repository_;
  at::ScalarType dtype_;
  at::Device device_;
  std::shared_ptr<Residence> residence_;
};

}  // namespace trireme
