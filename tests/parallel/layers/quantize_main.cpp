// The tests' door to the codes: `quantize FILE OUT int8|nf4|nf4-plain` makes codes of the tensor
// "weight" of one safetensors file and writes them, and what they stand for, to another; with int8
// also LLM.int8()'s product with "x".
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <string>

#include "parallel/layers/int8_matrix.h"
#include "parallel/layers/nf4_matrix.h"
#include "src/weights/safetensors_writer.h"
#include "tests/support/checkpoint.h"

namespace {

using namespace trireme;

at::Tensor numbers(const QuantizedMatrix& matrix) {
  auto all = at::empty({matrix.rows(), matrix.columns()});
  matrix.fill(all, {0, matrix.rows()});
  return all;
}

std::vector<NamedTensor> int8(const MatrixSlice& slice, const at::Tensor& x) {
  const auto matrix = Int8Matrix::quantize(slice, 6.0);
  const auto product = at::empty({x.size(0), matrix.rows()}, x.options());
  matrix.multiply(x, product);
  return {{"codes", matrix.codes()},
          {"scales", matrix.scales()},
          {"numbers", numbers(matrix)},
          {"product", product}};
}

std::vector<NamedTensor> nf4(const MatrixSlice& slice, bool double_quant) {
  const auto matrix = Nf4Matrix::quantize(slice, double_quant);
  std::vector<NamedTensor> out = {{"codes", matrix.codes().to(at::kByte)},
                                  {"numbers", numbers(matrix)}};
  if (!double_quant) return out;
  const auto& nested = matrix.nested();
  out.push_back({"nested_codes", nested.codes});
  out.push_back({"nested_absmax", nested.largest});
  out.push_back({"nested_quant_map", nested.values});
  out.push_back({"offset", at::scalar_tensor(nested.offset, at::kFloat)});
  return out;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 4) throw std::runtime_error("quantize FILE OUT int8|nf4|nf4-plain");
  const c10::InferenceMode inference;
  const SafetensorsFile file(argv[1]);
  const auto w = file.read("weight");
  const MatrixSlice slice(memory_weights({{"weight", w}}), "weight", w.size(0), w.size(1),
                          {.dim = 0, .part = {0, w.size(0)}, .group = {}});
  const std::string kind = argv[3];
  write_safetensors(argv[2],
                    kind == "int8" ? int8(slice, file.read("x")) : nf4(slice, kind == "nf4"));
} catch (const std::exception& error) {
  fmt::print(stderr, "{}\n", error.what());
  return 1;
}
