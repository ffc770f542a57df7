// Writes what a component of SD3 reads from a single file, under the model's names and as float32,
// with its config as metadata, for comparison with diffusers:
//   mapped_tensors FILE COMPONENT OUT
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "src/weights/repository.h"
#include "src/weights/safetensors_writer.h"
#include "src/weights/sd3_files.h"

namespace {

void write_mapped(const std::string& file, const std::string& name, const std::string& out) {
  using namespace trireme;
  const auto kind = part_kind(name, "StableDiffusion3Pipeline").value();
  const auto opened = read_single_file(file, kind);
  const auto* part = opened.find(kind);
  if (part == nullptr) refuse_missing_part(opened, name, kind);
  const auto source = Component(name, file, *part).open(at::kFloat, at::kCPU);
  std::vector<NamedTensor> tensors;
  for (const auto& tensor : *part->tensors)
    tensors.push_back({tensor.name, source->read(tensor.name, 0, {0, tensor.shape.at(0)})});
  source->finish();
  write_safetensors(out, tensors, {{"config", part->config.values().dump()}});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: mapped_tensors FILE COMPONENT OUT\n");
    return 64;
  }
  try {
    write_mapped(argv[1], argv[2], argv[3]);
  } catch (const trireme::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.exit());
  }
  return 0;
}
