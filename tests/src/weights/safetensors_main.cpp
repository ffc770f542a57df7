// Reads a safetensors file with our reader and writes it again with our writer, for comparison with
// the Python package:  safetensors_copy IN OUT
#include <fmt/format.h>

#include "parallel/error.h"
#include "src/weights/safetensors_file.h"
#include "src/weights/safetensors_writer.h"

int main(int argc, char** argv) {
  if (argc != 3) {
    fmt::print(stderr, "usage: safetensors_copy IN OUT\n");
    return 64;
  }
  try {
    const trireme::SafetensorsFile file(argv[1]);
    std::vector<trireme::NamedTensor> tensors;
    for (const auto& tensor : file.header().tensors) {
      tensors.push_back({tensor.name, file.read(tensor.name)});
    }
    trireme::write_safetensors(argv[2], tensors, file.header().metadata);
  } catch (const trireme::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return static_cast<int>(error.exit());
  }
  return 0;
}
