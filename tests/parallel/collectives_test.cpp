#include <gtest/gtest.h>

#include <numeric>
#include <thread>

#include "parallel/group.h"
#include "parallel/mesh.h"
#include "tests/parallel/ranks.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

class Collectives : public testing::TestWithParam<int> {
 protected:
  void on_ranks(const std::function<void(Group)>& body) { on_every_rank(GetParam(), body); }
};

INSTANTIATE_TEST_SUITE_P(Ranks, Collectives, testing::ValuesIn(rank_counts()),
                         testing::PrintToStringParamName());

// What rank r holds in these tests; every rank can work it out for every other.
at::Tensor tensor_of(int rank, at::IntArrayRef shape) {
  return here(integers(shape, 100 + rank));
}

at::Tensor filled(at::IntArrayRef shape, double value, at::ScalarType dtype = at::kFloat) {
  return here(at::full(shape, value, dtype));
}

at::Tensor space(at::IntArrayRef shape) {
  return here(at::empty(shape));
}

at::Tensor sum_of(int ranks, at::IntArrayRef shape) {
  auto sum = filled(shape, 0);
  for (int r = 0; r < ranks; ++r) sum += tensor_of(r, shape);
  return sum;
}

TEST_P(Collectives, ARankKnowsItsPlace) {
  on_ranks([&](Group world) {
    EXPECT_EQ(world.size(), GetParam());
    EXPECT_EQ(world.alone(), GetParam() == 1);
    EXPECT_LT(world.rank(), world.size());
  });
}

TEST_P(Collectives, AllReduceIsTheSum) {
  on_ranks([](Group world) {
    for (const int64_t length : {0, 1, 7, 5000, 300000}) {
      const auto x = tensor_of(world.rank(), {length});
      expect_same_bits(world.all_reduce(x), sum_of(world.size(), {length}));
      expect_same_bits(x, tensor_of(world.rank(), {length}));  // the argument is left alone
    }
  });
}

TEST_P(Collectives, AllReduceTakesDimensionsAndStridesAsTheyCome) {
  on_ranks([](Group world) {
    const auto x = tensor_of(world.rank(), {6, 4}).t();
    expect_same_bits(world.all_reduce(x), sum_of(world.size(), {6, 4}).t().contiguous());
    const auto scalar = filled({}, world.rank() + 1.0, at::kDouble);
    EXPECT_EQ(world.all_reduce(scalar).item<double>(), world.size() * (world.size() + 1) / 2);
    const auto count = filled({1}, int64_t{1} << 40, at::kLong);
    EXPECT_EQ(world.all_reduce(count).item<int64_t>(), world.size() * (int64_t{1} << 40));
  });
}

// A view of a tensor that is still in use must not be summed in place, however temporary it looks.
TEST_P(Collectives, AllReduceOfAViewLeavesTheRestAlone) {
  on_ranks([](Group world) {
    const auto x = tensor_of(world.rank(), {4, 3});
    expect_same_bits(world.all_reduce(x.narrow(0, 1, 2)),
                     sum_of(world.size(), {4, 3}).narrow(0, 1, 2));
    expect_same_bits(x, tensor_of(world.rank(), {4, 3}));
  });
}

// 2048 + 1 is 2048 in float16 and 256 + 1 is 256 in bfloat16: summing there would lose every one.
TEST_P(Collectives, HalfTypesAreSummedInFloat32) {
  on_ranks([](Group world) {
    for (const auto dtype : {at::kHalf, at::kBFloat16}) {
      const double big = dtype == at::kHalf ? 2048 : 256;
      const auto x = filled({5}, world.rank() == 0 ? big : 1.0, dtype);
      const auto expected = at::full({5}, big + world.size() - 1, at::kFloat).to(dtype);
      expect_same_bits(world.all_reduce(x), expected);
    }
  });
}

// In float32, 1e8 + 1 - 1e8 depends on the order; hosts sum in float64 and round once.
TEST_P(Collectives, AllReduceRoundsAlikeOnEveryRankAndOnceOnHosts) {
  on_ranks([](Group world) {
    for (const int64_t length : {33, 4099}) {
      const auto sum = world.all_reduce(here(normals({length}, world.rank()).mul(1e4)));
      auto expected = at::zeros({length}, at::kDouble);
      for (int r = 0; r < world.size(); ++r) expected += normals({length}, r).mul(1e4);
      if (sums_round_once()) expect_same_bits(sum, expected.to(at::kFloat));
      expect_close(sum, expected, {.relative = 1e-5, .absolute = 0.05});
      expect_same_bits(world.broadcast(sum, 0), sum);
    }
  });
}

TEST_P(Collectives, AllGatherUndoesShard) {
  on_ranks([](Group world) {
    const auto whole = here(integers({3, 10, 4, 5}, 7));
    for (int64_t dim = -4; dim < 4; ++dim) {
      const auto split = Split(whole.size(dim), world.size());  // fewer units than ranks at times
      const auto mine = shard(whole, dim, split, world.rank());
      expect_same_bits(world.all_gather(mine, dim, split), whole);
    }
  });
}

TEST_P(Collectives, AllGatherOfAnySplit) {
  on_ranks([](Group world) {
    std::vector<int64_t> lengths(world.size());
    std::iota(lengths.begin(), lengths.end(), 0);  // the first rank holds nothing
    const auto split = Split::of_lengths(lengths);
    for (const auto dtype : {at::kFloat, at::kBFloat16, at::kLong, at::kBool}) {
      const auto whole = here(integers({split.units(), 3}, 8).to(dtype));
      const auto mine = shard(whole, 0, split, world.rank());
      expect_same_bits(world.all_gather(mine, 0, split), whole);
      expect_same_bits(world.all_gather(mine.t(), 1, split), whole.t().contiguous());
    }
  });
}

TEST_P(Collectives, AllGatherOfEqualParts) {
  on_ranks([](Group world) {
    const auto whole = world.all_gather(filled({1, 2}, world.rank(), at::kLong), 0);
    expect_same_bits(whole, at::arange(world.size(), at::kLong).unsqueeze(1).repeat({1, 2}));
  });
}

TEST_P(Collectives, BroadcastFromEveryRoot) {
  on_ranks([](Group world) {
    for (int root = 0; root < world.size(); ++root) {
      for (const int64_t length : {0, 3, 100000}) {
        const auto x = tensor_of(world.rank(), {length});
        expect_same_bits(world.broadcast(x, root), tensor_of(root, {length}));
      }
    }
  });
}

struct Neighbours {
  int before, next;
};

Neighbours neighbours(const Group& world) {
  return {(world.rank() + world.size() - 1) % world.size(), (world.rank() + 1) % world.size()};
}

TEST_P(Collectives, SendAndReceiveRoundARing) {
  on_ranks([](Group world) {
    if (world.alone()) return;
    const auto [before, next] = neighbours(world);
    world.connect_ring();
    for (const int64_t length : {0, 5, 400000}) {
      auto sent = world.start_send(tensor_of(world.rank(), {length}), next);
      const auto got = world.receive(space({length}), before);
      expect_same_bits(got, tensor_of(before, {length}));
      sent.wait();
    }
  });
}

// Posted ahead, waited for backwards: each still gets the message of its own number.
TEST_P(Collectives, ReceivesPostedAheadKeepTheirOrder) {
  on_ranks([](Group world) {
    if (world.alone()) return;
    const auto [before, next] = neighbours(world);
    world.connect_ring();
    std::vector<Pending> sent, expected;
    for (int i = 0; i < 4; ++i) expected.push_back(world.start_receive(space({3}), before));
    for (int i = 0; i < 4; ++i) sent.push_back(world.start_send(filled({3}, i), next));
    for (int i = 3; i >= 0; --i) EXPECT_EQ(expected[i].wait()[0].item<float>(), i);
  });
}

// The rows at the edges of a picture's bands: both ways at once, more than a link can hold.
TEST_P(Collectives, NeighboursTradeEdgesBothWays) {
  on_ranks([](Group world) {
    world.connect_neighbours();
    std::vector<Pending> sent, expected;
    std::vector<int> peers;
    for (const int peer : {world.rank() - 1, world.rank() + 1}) {
      if (peer < 0 || peer >= world.size()) continue;
      peers.push_back(peer);
      sent.push_back(world.start_send(tensor_of(world.rank(), {400000}), peer));
      expected.push_back(world.start_receive(space({400000}), peer));
    }
    for (size_t i = 0; i < peers.size(); ++i)
      expect_same_bits(expected[i].wait(), tensor_of(peers[i], {400000}));
    for (auto& edge : sent) edge.wait();
  });
}

// Asking whether a message is there neither waits nor takes it.
TEST_P(Collectives, ReadyTurnsTrueAndWaitThenReturns) {
  on_ranks([](Group world) {
    if (world.alone()) return;
    world.connect_neighbours();
    if (world.rank() == 0) {
      auto letter = world.start_receive(space({3}), 1);
      EXPECT_FALSE(letter.ready());
      world.barrier();
      while (!letter.ready()) std::this_thread::yield();
      EXPECT_TRUE(letter.ready());
      expect_same_bits(letter.wait(), filled({3}, 7));
      return;
    }
    world.barrier();
    if (world.rank() == 1) world.send(filled({3}, 7), 0);
  });
}

// A handle may be dropped: the message arrives all the same.
TEST_P(Collectives, ASendThatNobodyWaitsForArrives) {
  on_ranks([](Group world) {
    if (world.alone()) return;
    if (world.rank() == 0) world.start_send(filled({500000}, 3), 1);
    if (world.rank() == 1) {
      EXPECT_EQ(world.receive(space({500000}), 0).sum().item<float>(), 1500000);
    }
    world.barrier();
  });
}

TEST_P(Collectives, SplitByColorOrdersByKey) {
  on_ranks([](Group world) {
    const auto half = world.split(world.rank() % 2, -world.rank());  // backwards
    const int members = world.size() / 2 + (world.rank() % 2 == 0 ? world.size() % 2 : 0);
    ASSERT_EQ(half.size(), members);
    EXPECT_EQ(half.rank(), members - 1 - world.rank() / 2);
    const auto ranks = half.all_gather(filled({1}, world.rank(), at::kLong), 0);
    for (int i = 0; i < members; ++i) {
      EXPECT_EQ(ranks[i].item<int64_t>(), 2 * (members - 1 - i) + world.rank() % 2);
    }
  });
}

TEST_P(Collectives, SubsetTakesRanksInTheOrderGiven) {
  on_ranks([](Group world) {
    const int last = world.size() - 1;
    const auto pair = last == 0 ? std::vector<int>{0} : std::vector<int>{last, 0};
    const auto group = world.subset(pair);
    const bool member = world.rank() == 0 || world.rank() == last;
    EXPECT_EQ(group.size(), member ? static_cast<int>(pair.size()) : 1);
    if (!member || last == 0) return;
    EXPECT_EQ(group.rank(), world.rank() == last ? 0 : 1);
    EXPECT_EQ(group.broadcast(filled({1}, world.rank()), 0).item<float>(), last);
  });
}

// Rows are traded for columns, uneven ones too, and back again.
TEST_P(Collectives, AllToAllTradesOneCutForAnother) {
  on_ranks([](Group world) {
    const int n = world.size();
    for (const auto& [rows, columns] : {std::pair<int64_t, int64_t>(16, 24), {13, 5}, {2, 3}}) {
      const auto whole = here(integers({2, rows, columns}, 7));
      const Split by_row(rows, n), by_column(columns, n);
      const auto mine = shard(whole, 1, by_row, world.rank());
      const auto traded = world.all_to_all(mine, 1, by_row, 2, by_column);
      expect_same_bits(traded, shard(whole, 2, by_column, world.rank()).contiguous());
      expect_same_bits(world.all_to_all(traded, 2, by_column, 1, by_row), mine.contiguous());
    }
  });
}

// Groups of one mesh work side by side: the sum over tensor of the gather over sequence.
TEST_P(Collectives, MeshSplitsWithTensorInnermost) {
  on_ranks([](Group world) {
    if (world.size() != 8) return;
    const auto mesh = Mesh::over(world, {.pipeline = 2, .sequence = 2, .tensor = 2});
    EXPECT_TRUE(mesh.guidance.alone());
    EXPECT_EQ(world.rank(),
              4 * mesh.pipeline.rank() + 2 * mesh.sequence.all.rank() + mesh.tensor.rank());
    const auto rows = mesh.sequence.all.all_gather(filled({1}, world.rank()), 0);
    expect_same_bits(rows[1] - rows[0], at::scalar_tensor(2.0));
    const auto sum = mesh.tensor.all_reduce(rows);
    const float base = 4.0 * mesh.pipeline.rank();
    expect_same_bits(sum, at::tensor({2 * base + 1, 2 * base + 5}));
  });
}

// Rank 0's counts and settings: nobody asks whether they may go over the line of the device.
TEST_P(Collectives, HostTensorsTravelToo) {
  on_ranks([](Group world) {
    const auto x = integers({5}, world.rank());
    auto sum = at::zeros({5});
    for (int r = 0; r < world.size(); ++r) sum += integers({5}, r);
    expect_same_bits(world.all_reduce(x), sum);
    expect_same_bits(world.broadcast(x, 0), integers({5}, 0));
  });
}

TEST_P(Collectives, TrafficCountsWhatARankSends) {
  on_ranks([](Group world) {
    if (world.alone()) return;
    const auto before = world.traffic();
    world.all_gather(filled({10}, 0), 0);
    const auto after = world.traffic();
    const auto sent = [](const Traffic& traffic) {
      const auto found = traffic.by_kind.find("all_gather");
      return found == traffic.by_kind.end() ? 0 : found->second.bytes;
    };
    EXPECT_EQ(sent(after) - sent(before), (world.size() - 1) * 40);
  });
}

}  // namespace
}  // namespace trireme
