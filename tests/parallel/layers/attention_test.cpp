// Attention equals softmax(q k^T) v written out in float64, however it is computed.
#include "parallel/layers/attention.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>

#include "parallel/layers/streamed_attention.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

struct Written {
  at::Tensor out, log_sum;
};

Written written_out(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  const auto scale = 1 / std::sqrt(static_cast<double>(q.size(3)));
  const auto scores = at::matmul(q.to(at::kDouble), k.to(at::kDouble).transpose(2, 3)) * scale;
  return {at::matmul(scores.softmax(-1), v.to(at::kDouble)), scores.logsumexp(-1)};
}

double apart(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

struct Shape {
  int64_t queries, keys, head_dim;
};

// Around the sizes of a tile, and below those that are streamed.
class Attention : public testing::TestWithParam<Shape> {
 protected:
  // As projections give heads: rows of a head are apart by all heads' channels.
  at::Tensor heads(int64_t tokens, int seed, double spread = 1) const {
    const auto dim = GetParam().head_dim;
    return split_heads(normals({2, tokens, 3 * dim}, seed).mul(spread), dim);
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, Attention,
                         testing::Values(Shape{1, 128, 16}, Shape{64, 512, 64}, Shape{65, 513, 64},
                                         Shape{200, 511, 32}, Shape{7, 1333, 128},
                                         Shape{130, 1025, 64}, Shape{40, 333, 72},
                                         Shape{33, 17, 64}, Shape{100, 300, 512}));

TEST_P(Attention, IsTheFormula) {
  const auto shape = GetParam();
  const auto q = heads(shape.queries, 1), k = heads(shape.keys, 2), v = heads(shape.keys, 3);
  EXPECT_LT(apart(attend(q, k, v), written_out(q, k, v).out), 2e-6);
}

TEST_P(Attention, LargeScoresNeitherOverflowNorVanish) {
  const auto shape = GetParam();
  const auto q = heads(shape.queries, 1, 30), k = heads(shape.keys, 2, 30);
  const auto v = heads(shape.keys, 3);
  EXPECT_LT(apart(attend(q, k, v), written_out(q, k, v).out), 2e-3);  // scores of some thousands
}

TEST_P(Attention, InBfloat16RoundsOnlyWhatGoesInAndOut) {
  const auto shape = GetParam();
  const auto q = heads(shape.queries, 1).to(at::kBFloat16), k = heads(shape.keys, 2).to(q.dtype()),
             v = heads(shape.keys, 3).to(q.dtype());
  const auto seen = attend(q, k, v);
  EXPECT_EQ(seen.scalar_type(), at::kBFloat16);
  EXPECT_LT(apart(seen, written_out(q, k, v).out), 1e-2);
}

TEST_P(Attention, ThreadsChangeNoBit) {
  const auto shape = GetParam();
  const auto q = heads(shape.queries, 1), k = heads(shape.keys, 2), v = heads(shape.keys, 3);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto alone = attend(q, k, v);
  at::set_num_threads(3);
  expect_same_bits(attend(q, k, v), alone);
  at::set_num_threads(threads);
}

TEST_P(Attention, StreamedGivesLogSums) {
  const auto shape = GetParam();
  const auto q = heads(shape.queries, 1), k = heads(shape.keys, 2), v = heads(shape.keys, 3);
  if (!streams(q, k)) return;  // the shapes that are left to ATen
  const auto part = streamed_attention(q, k, v, 1 / std::sqrt(static_cast<double>(shape.head_dim)));
  EXPECT_LT(apart(part.log_sum, written_out(q, k, v).log_sum), 2e-6);
}

}  // namespace
}  // namespace trireme
