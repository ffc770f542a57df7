#include "tests/support/executed_flops.h"

#include <ATen/ATen.h>
#include <ATen/record_function.h>

#include <map>
#include <string>

namespace trireme {
namespace {

using Inputs = c10::ArrayRef<const c10::IValue>;
using Count = int64_t (*)(Inputs);

// x [..., in], weight [out, in]; a packed weight has the sizes of what it holds.
int64_t linear(Inputs in) {
  return 2 * in[0].toTensor().numel() * in[1].toTensor().size(0);
}

// a [..., m, k], b [..., k, n], one of them perhaps for all batches of the other
int64_t matmul(Inputs in) {
  const auto a = in[0].toTensor(), b = in[1].toTensor();
  const auto m = a.size(-2), k = a.size(-1), n = b.size(-1);
  if (m * k * n == 0) return 0;
  return 2 * std::max(a.numel() / (m * k), b.numel() / (k * n)) * m * k * n;
}

// [batch, heads, queries or keys, head_dim]
int64_t attention(Inputs in) {
  return 4 * in[0].toTensor().numel() * in[1].toTensor().size(2);
}

// Sizes are kept, or divided by the stride. A 2x2 kernel without one is that of UpsampleConv2d,
// which stands for up-sampling and a 3x3 convolution, four pixels for each of the input.
int64_t conv2d(Inputs in) {
  const auto x = in[0].toTensor(), weight = in[1].toTensor();
  const auto stride = in[3].toIntVector().front();
  const auto pixels = x.size(0) * (x.size(2) / stride) * (x.size(3) / stride);
  if (weight.size(2) == 2 && stride == 1)
    return 2 * 4 * pixels * (weight.size(0) / 4) * weight.size(1) * 9;
  return 2 * pixels * weight.numel();
}

const std::map<std::string, Count> kCounted = {
    {"aten::linear", linear},
    {"mkldnn::_linear_pointwise", linear},
    {"aten::matmul", matmul},
    {"aten::scaled_dot_product_attention", attention},
    {"aten::_scaled_dot_product_flash_attention_for_cpu", attention},
    {"aten::conv2d", conv2d},
};

// Callbacks are plain function pointers: what they count has to lie where they find it.
thread_local int64_t counted = 0;
thread_local int depth = 0;  // an operation's own operations are part of it

struct Inside : at::ObserverContext {
  Inside() { ++depth; }
  ~Inside() override { --depth; }
};

std::unique_ptr<at::ObserverContext> on_start(const at::RecordFunction& function) {
  const auto count = kCounted.find(function.name());
  if (count == kCounted.end()) return nullptr;
  if (depth == 0) counted += count->second(function.inputs());
  return std::make_unique<Inside>();
}

}  // namespace

int64_t executed_flops(const std::function<void()>& body) {
  const auto handle = at::addThreadLocalCallback(
      at::RecordFunctionCallback(on_start).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  counted = 0;
  body();
  at::removeCallback(handle);
  return counted;
}

}  // namespace trireme
