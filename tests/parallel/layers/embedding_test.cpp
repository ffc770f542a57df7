#include "parallel/layers/embedding.h"

#include <gtest/gtest.h>

#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

class VocabOverRanks : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Ranks, VocabOverRanks, testing::Values(1, 2, 3, 4, 8),
                         testing::PrintToStringParamName());

// Exact for any numbers, because all ranks but one add zero. Five words: three of eight ranks hold
// none.
TEST_P(VocabOverRanks, GivesTheRowsOfTheWholeTable) {
  for (const auto dtype : {at::kFloat, at::kHalf}) {
    const auto table = normals({5, 6}).to(dtype);
    const auto ids = at::tensor({4, 0, 2, 2, 1, 3}, at::kLong).view({2, 3});
    run_ranks(GetParam(), [&](Group group) {
      const VocabEmbedding embedding(memory_weights({{"weight", table}}), "weight", group, 5, 6);
      expect_same_bits(embedding(ids), table.index({ids}));
    });
  }
}

}  // namespace
}  // namespace trireme
