// ComponentSource: the tensors of one component, wherever its files put them, as a TensorSource.
// It knows which tensors were read (or are another rank's), so that finish() can refuse a file with
// tensors that nobody wanted: a model that silently ignores weights draws wrong pictures. Matrices
// that bitsandbytes has quantized are codes (bitsandbytes.h). One rank's object: not for several
// threads at once.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "parallel/tensor_source.h"
#include "src/weights/safetensors_file.h"
#include "src/weights/weight_files.h"

namespace trireme {

class ComponentSource final : public TensorSource {
 public:
  // Opens all files and checks their headers against the index; reads no weights. Floating tensors
  // land as `dtype`, others as they are, all on `device`. `how`: what layers are to make of plain
  // weights.
  ComponentSource(const WeightFiles& files, at::ScalarType dtype, at::Device device,
                  Quantization how = {});

  bool has(const std::string& name) const override { return tensors_.contains(name); }
  std::vector<int64_t> shape(const std::string& name) const override;
  at::TensorOptions options(const std::string& name) const override;
  void read_into(const at::Tensor& destination, const std::string& name, int64_t dim,
                 Part part) override;
  at::Tensor read(const std::string& name, int64_t dim, Part part) override;
  void elsewhere(const std::string& scope) override;
  std::string place(const std::string& name) const override;
  Quantization quantization() const override { return how_; }
  std::optional<StoredCodes> codes(const std::string& name) const override;

  // Error (kBadData) lists the tensors that were neither read nor another rank's nor match one of
  // the patterns (shell's: "*.position_ids").
  void finish(const std::vector<std::string>& ignored = {}) const;

 private:
  struct Entry {
    const SafetensorsFile* file;
    const StoredTensor* tensor;
  };
  const Entry& entry(const std::string& name) const;
  const Entry& use(const std::string& name);
  void add(const SafetensorsFile& file, const WeightFiles& files, size_t number);
  void refuse_scaled_float8() const;
  void find_codes();
  void add_nf4(const std::string& name);
  void use_if_there(const std::string& name);

  std::vector<std::unique_ptr<SafetensorsFile>> files_;
  std::unordered_map<std::string, Entry> tensors_;
  std::unordered_set<std::string> used_;
  std::unordered_map<std::string, StoredCodes> codes_;
  std::unordered_set<std::string> integers_;  // tensors that may hold whole numbers
  std::string place_;
  at::ScalarType dtype_;
  at::Device device_;
  Quantization how_;
};

}  // namespace trireme
