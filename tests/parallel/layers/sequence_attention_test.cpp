// Attention over tokens that are spread over ranks equals attention over all of them, and sends
// what its formula says.
#include <gtest/gtest.h>

#include "parallel/layers/attention.h"
#include "tests/support/run_ranks.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

struct Ways {
  int ulysses, ring;
  int64_t heads, queries, keys;
};

class SequenceAttention : public testing::TestWithParam<Ways> {
 protected:
  static constexpr int64_t kHeadDim = 16;

  at::Tensor heads(int64_t tokens, int seed) const {
    return split_heads(normals({2, tokens, GetParam().heads * kHeadDim}, seed), kHeadDim);
  }
  Mesh mesh(const Group& world) const {
    const auto ways = GetParam();
    return Mesh::over(world, {.sequence = ways.ulysses * ways.ring, .ring = ways.ring});
  }
};

TEST_P(SequenceAttention, IsAttentionOverAllTokens) {
  const auto ways = GetParam();
  const auto q = heads(ways.queries, 1), k = heads(ways.keys, 2), v = heads(ways.keys, 3);
  const auto whole = attend(q, k, v);
  const int ranks = ways.ulysses * ways.ring;
  run_ranks(ranks, [&](Group world) {
    const c10::InferenceMode inference;
    const Split queries(ways.queries, ranks), keys(ways.keys, ranks);
    const auto mine = [&](const at::Tensor& x, const Split& tokens) {
      return shard(x, 2, tokens, world.rank());
    };
    const auto seen = parallel_attention(mine(q, queries), mine(k, keys), mine(v, keys),
                                         mesh(world).sequence, queries, keys);
    expect_close(seen, mine(whole, queries));
  });
}

// 19 and 38 heads (SD3.5-large), tokens that nothing divides, more ranks than heads or tokens.
INSTANTIATE_TEST_SUITE_P(
    Ways, SequenceAttention,
    testing::Values(Ways{1, 1, 5, 40, 40}, Ways{2, 1, 19, 333, 333}, Ways{3, 1, 19, 333, 333},
                    Ways{4, 1, 38, 333, 401}, Ways{8, 1, 38, 333, 333}, Ways{8, 1, 5, 41, 333},
                    Ways{1, 2, 19, 333, 333}, Ways{1, 3, 5, 333, 1400}, Ways{1, 4, 5, 1400, 333},
                    Ways{1, 8, 3, 7, 333}, Ways{1, 8, 3, 333, 7}, Ways{8, 1, 3, 5, 6},
                    Ways{2, 2, 19, 333, 333}, Ways{4, 2, 19, 333, 401}, Ways{2, 4, 3, 333, 333}));

// counts.md section 6, X the bytes of the activations of all ranks.
TEST(SequenceTraffic, IsTheFormulas) {
  constexpr int64_t kBatch = 2, kHeads = 8, kTokens = 64, kHeadDim = 16;
  constexpr int64_t kX = kBatch * kHeads * kTokens * kHeadDim * 4;
  const auto x = normals({kBatch, kHeads, kTokens, kHeadDim});
  for (const auto& [u, r] :
       {std::pair(2, 1), {4, 1}, {8, 1}, {1, 2}, {1, 4}, {1, 8}, {2, 2}, {4, 2}}) {
    const int n = u * r;
    run_ranks(n, [&, u = u, r = r](Group world) {
      const auto mesh = Mesh::over(world, {.sequence = n, .ring = r});
      const Split tokens(kTokens, n);
      const auto mine = shard(x, 2, tokens, world.rank());
      const auto before = world.traffic();
      parallel_attention(mine, mine, mine, mesh.sequence, tokens, tokens);
      auto earlier = before.by_kind, later = world.traffic().by_kind;
      const auto sent = [&](const char* kind) { return later[kind].bytes - earlier[kind].bytes; };
      EXPECT_EQ(sent("all_to_all"), 4 * (u - 1) * kX / (u * u * r));
      EXPECT_EQ(sent("send"), 2 * (r - 1) * kX / (r * u));
    });
  }
}

}  // namespace
}  // namespace trireme
