// Codes are those of the whole matrix however it is cut, and layers of codes are what the numbers
// give that the codes stand for. (That codes are bitsandbytes' is test_bitsandbytes.py's.)
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "parallel/error.h"
#include "parallel/layers/embedding.h"
#include "parallel/layers/fp8_matrix.h"
#include "parallel/layers/int8_matrix.h"
#include "parallel/layers/linear.h"
#include "parallel/layers/nf4_matrix.h"
#include "tests/support/run_ranks.h"
#include "tests/support/sources.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

using Kind = Quantization::Kind;

const std::vector<Quantization> kWeightsAlone = {{.kind = Kind::kInt8},
                                                 {.kind = Kind::kNf4},
                                                 {.kind = Kind::kNf4, .double_quant = false},
                                                 {.kind = Kind::kFp8}};

std::vector<Quantization> all_kinds() {
  auto kinds = kWeightsAlone;
  kinds.push_back({.kind = Kind::kInt8, .activation_threshold = 6.0});
  return kinds;
}

// Rows of different sizes, and some columns that stand out, as in trained text encoders.
at::Tensor weight(int64_t out, int64_t in, uint64_t seed = 0) {
  auto w = normals({out, in}, seed).mul_(normals({out, 1}, seed + 1).abs_().add_(0.1));
  w.slice(1, 2, in, 7).mul_(5);
  return w.div_(std::sqrt(static_cast<double>(in)));
}

// Tokens with some columns beyond the threshold of LLM.int8().
at::Tensor activations(at::IntArrayRef shape) {
  auto x = normals(shape, 17);
  x.slice(-1, 3, shape.back(), 11).mul_(8);
  return x;
}

// The numbers that a matrix' codes stand for.
at::Tensor numbers(const QuantizedMatrix& matrix) {
  auto all = at::empty({matrix.rows(), matrix.columns()});
  matrix.fill(all, {0, matrix.rows()});
  return all;
}

MatrixPtr held(const at::Tensor& w, const Quantization& how, MatrixCut cut) {
  const auto weights = memory_weights({{"weight", w}});
  return read_quantized({weights, "weight", w.size(0), w.size(1), std::move(cut)}, how);
}

MatrixPtr held(const at::Tensor& w, const Quantization& how) {
  return held(w, how, {.dim = 0, .part = {0, w.size(0)}, .group = {}});
}

class OverRanks : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, OverRanks, testing::Values(1, 2, 3, 4, 8),
                         testing::PrintToStringParamName());

// 64 in a row or not, even or odd, fewer rows than ranks: blocks of nf4 fall where they may.
TEST_P(OverRanks, CodesAreTheWholeMatrix) {
  const std::vector<std::pair<int64_t, int64_t>> shapes = {{24, 128}, {13, 192}, {9, 100}, {7, 33},
                                                           {3, 5},    {300, 65}, {2, 320}};
  for (const auto& [out, in] : shapes)
    for (const auto& how : all_kinds()) {
      const auto w = weight(out, in, out);
      const auto whole = numbers(*held(w, how));
      run_ranks(GetParam(), [&, out = out, in = in](Group group) {
        for (int64_t dim = 0; dim < 2; ++dim) {
          const auto part = Split(dim == 0 ? out : in, group.size())[group.rank()];
          const auto mine = held(w, how, {.dim = dim, .part = part, .group = group});
          expect_same_bits(numbers(*mine), whole.narrow(dim, part.begin, part.length));
        }
      });
    }
}

TEST_P(OverRanks, LayersAreTheWholeLayers) {
  constexpr int64_t kIn = 90, kOut = 120, kHead = 5;
  const std::map<std::string, at::Tensor> tensors = {
      {"q.weight", weight(kOut, kIn, 1)},   {"q.bias", normals({kOut}, 2)},
      {"k.weight", weight(kOut, kIn, 3)},   {"k.bias", normals({kOut}, 4)},
      {"out.weight", weight(kIn, kOut, 5)}, {"out.bias", normals({kIn}, 6)}};
  const auto x = activations({2, 5, kIn}), hidden = activations({2, 5, kOut});
  for (const auto& how : all_kinds()) {
    const auto w = memory_weights(tensors, how);
    const LinearShape up{.in = kIn, .out = kOut, .unit = kHead};
    const LinearShape down{.in = kOut, .out = kIn, .unit = kHead};
    const auto whole_q = Linear(w / "q", up)(x), whole_k = Linear(w / "k", up)(x);
    const auto whole_out = RowLinear(w / "out", Group(), down)(hidden);
    run_ranks(GetParam(), [&](Group group) {
      const auto mine = [&](const at::Tensor& y) {
        return shard(y, -1, Split(kOut / kHead, group.size()).scaled(kHead), group.rank());
      };
      const auto [q, k] = FusedColumnLinear<2>({w / "q", w / "k"}, group, up)(x);
      expect_close(ColumnLinear(w / "q", group, up)(x), mine(whole_q));
      expect_close(q, mine(whole_q));
      expect_close(k, mine(whole_k));
      expect_close(GatheredLinear(w / "q", group, up)(x), whole_q);
      expect_close(RowLinear(w / "out", group, down)(mine(hidden)), whole_out);
    });
  }
}

TEST_P(OverRanks, AnEmbeddingOfCodesIsTheWholeTable) {
  const auto table = weight(50, 40);
  const auto ids = at::tensor({0, 49, 7, 7, 25}, at::kLong).view({1, 5});
  for (const auto& how : {Quantization{.kind = Kind::kInt8}, Quantization{.kind = Kind::kFp8}}) {
    const auto expected = at::embedding(numbers(*held(table, how)), ids);
    run_ranks(GetParam(), [&](Group group) {
      const VocabEmbedding cut(memory_weights({{"table", table}}), "table", group, 50, 40, how);
      expect_same_bits(cut(ids), expected);
    });
  }
}

TEST(Quantized, WeightsAloneMultiplyAsTheirNumbers) {
  const auto w = weight(530, 200);
  const auto x = activations({9, 200});
  for (const auto& how : kWeightsAlone) {
    const auto matrix = held(w, how);
    const auto expected = at::linear(x.to(at::kDouble), numbers(*matrix).to(at::kDouble));
    const auto on_host = at::empty({9, 530}), on_device = at::empty({9, 530});
    multiply_on_host(*matrix, x, on_host);
    multiply_on_device(*matrix, x, on_device);
    expect_close(on_host, expected);
    expect_close(on_device, expected);
  }
}

TEST(Quantized, LoopsAndOperatorsGiveTheSameNumbers) {
  for (const int64_t in : {64, 192, 65, 30, 127})
    for (const auto& how : kWeightsAlone) {
      const auto matrix = held(weight(40, in), how);
      auto loops = at::empty({30, in}), operators = at::empty({30, in});
      matrix->fill_on_host(loops.data_ptr<float>(), {5, 30});
      matrix->fill(operators, {5, 30});
      expect_same_bits(loops, operators);
    }
}

// Also where rows, the rectangle and the matrix end inside of a block.
TEST(Quantized, LoopsAndOperatorsMakeTheSameNf4Codes) {
  struct Case {
    int64_t out, in;
    Part rows, columns;
  };
  for (const auto& [out, in, rows, columns] : std::vector<Case>{{24, 128, {0, 24}, {0, 128}},
                                                                {40, 192, {7, 20}, {64, 64}},
                                                                {9, 192, {0, 9}, {30, 101}},
                                                                {13, 65, {0, 13}, {0, 65}},
                                                                {33, 65, {20, 13}, {1, 63}},
                                                                {3, 5, {1, 2}, {0, 5}}}) {
    auto w = weight(out, in);
    w[out / 2].zero_();
    const auto numbers =
        w.narrow(0, rows.begin, rows.length).narrow(1, columns.begin, columns.length).contiguous();
    const BlockGrid grid{in, rows, columns};
    const Part all{0, rows.length};
    const int64_t count = out * in, blocks = (count + kNf4Block - 1) / kNf4Block;
    auto loops = at::zeros({blocks}), operators = at::zeros({blocks});
    raise_largest(operators, numbers, grid, all);
    raise_largest_on_host(loops.data_ptr<float>(), numbers.const_data_ptr<float>(), grid, all);
    expect_same_bits(loops, operators);
    const auto expected = nf4_bytes(numbers, operators, grid, all, count);
    auto bytes = at::empty_like(expected);
    nf4_bytes_on_host(bytes.data_ptr<uint8_t>(), numbers.const_data_ptr<float>(),
                      operators.const_data_ptr<float>(), grid, all, count);
    expect_same_bits(bytes, expected);
  }
}

TEST(Quantized, AProductDependsOnNoThreads) {
  const auto w = weight(700, 256);
  const auto x = activations({6, 256});
  for (const auto& how : all_kinds()) {
    const auto matrix = held(w, how);
    const auto one = at::empty({6, 700}), two = at::empty({6, 700});
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    matrix->multiply(x, one);
    at::set_num_threads(2);
    matrix->multiply(x, two);
    at::set_num_threads(threads);
    expect_same_bits(two, one);
  }
}

TEST(Quantized, HalfTypesStayHalf) {
  for (const auto type : {at::kHalf, at::kBFloat16})
    for (const auto& how : all_kinds()) {
      const auto w = memory_weights({{"weight", weight(96, 64).to(type)}}, how);
      const RowLinear layer(w, Group(), {.in = 64, .out = 96, .bias = false});
      const auto x = activations({4, 64}).to(type);
      const auto y = layer(x), wide = layer.in_float32(x);
      EXPECT_EQ(y.scalar_type(), type);
      EXPECT_EQ(wide.scalar_type(), at::kFloat);
      expect_close(y, wide, {.relative = 0.02, .absolute = 0.1});
    }
}

TEST(Quantized, OutliersAreMultipliedAsNumbers) {
  const auto w = weight(64, 96);
  auto x = normals({8, 96}, 3);
  x.select(1, 10).mul_(1000);  // would leave nothing of the other columns in 127 steps
  const auto expected = at::linear(x, w);
  const auto error = [&](std::optional<double> threshold) {
    const auto y = at::empty({8, 64});
    held(w, {.kind = Kind::kInt8, .activation_threshold = threshold})->multiply(x, y);
    return (y - expected).norm().div(expected.norm()).item<double>();
  };
  EXPECT_LT(error(6.0), 1.2 * error(std::nullopt));
  const auto others = x.clone();
  others.select(1, 10).zero_();
  const auto rest = at::linear(others, w);
  const auto y = at::empty({8, 64});
  held(w, {.kind = Kind::kInt8, .activation_threshold = 6.0})->multiply(others, y);
  EXPECT_LT((y - rest).norm().div(rest.norm()).item<double>(), 0.02);
}

TEST(Quantized, WholeNumbersMultiplyExactly) {
  for (const int64_t n : {1, 2, 20})
    for (const int64_t m : {1, 2, 24})
      for (const int64_t k : {0, 1, 2, 8, 33, 1024, 2500}) {
        const auto a = at::full({n, k}, 127, at::kChar), b = at::full({m, k}, -127, at::kChar);
        const auto expected = at::full({n, m}, -127 * 127 * k, at::kInt);
        expect_same_bits(product_of_integers(a, b), expected);
        expect_same_bits(product_of_integers_as_floats(a, b), expected);
      }
  const auto random = normals({33, 1500}).mul(40).round().clamp(-127, 127).to(at::kChar);
  expect_same_bits(product_of_integers(random, random),
                   product_of_integers_as_floats(random, random));
}

TEST(Quantized, RowsOfZerosStayZero) {
  auto w = weight(6, 64);
  w.select(0, 2).zero_();
  for (const auto& how : all_kinds()) {
    if (how.kind == Kind::kNf4 && how.double_quant) continue;  // its scales are rounded
    EXPECT_EQ(numbers(*held(w, how))[2].abs().amax().item<double>(), 0);
  }
  const auto y = at::empty({3, 6});
  held(w, {.kind = Kind::kInt8, .activation_threshold = 6.0})->multiply(at::zeros({3, 64}), y);
  expect_same_bits(y, at::zeros({3, 6}));
}

TEST(Quantized, ATokenThatIsNotANumberStaysSo) {
  auto x = activations({3, 64});
  x[1][5] = NAN;
  const auto y = at::empty({3, 6});
  held(weight(6, 64), {.kind = Kind::kInt8, .activation_threshold = 6.0})->multiply(x, y);
  EXPECT_TRUE(y[1].isnan().all().item<bool>());
  EXPECT_FALSE(y[0].isnan().any().item<bool>());
}

TEST(Quantized, AWeightThatFp8CannotHoldIsNamed) {
  auto w = weight(6, 64);
  w[4][7] = -512.5;
  try {
    run_ranks(2, [&](Group group) {
      held(w, {.kind = Kind::kFp8}, {.dim = 0, .part = Split(6, 2)[group.rank()], .group = group});
    });
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit(), Exit::kBadData);
    EXPECT_STREQ(error.what(),
                 "[weights] memory: weight[4, 7] is -512.5 -> fp8 holds 448 at most -> quantize: "
                 "int8, whose rows have scales");
  }
  w[4][7] = 448;
  EXPECT_EQ(numbers(*held(w, {.kind = Kind::kFp8}))[4][7].item<double>(), 448);
}

TEST(Quantized, CodesTakeTheSpaceThatTheyShould) {
  const auto w = weight(256, 1024);
  const double half = 2.0 * 256 * 1024;
  const auto share = [&](const Quantization& how) {
    return static_cast<double>(held(w, how)->bytes()) / half;
  };
  EXPECT_NEAR(share({.kind = Kind::kInt8}), 0.5, 0.002);
  EXPECT_NEAR(share({.kind = Kind::kNf4}), 0.25 + 1 / 128.0, 0.003);
  EXPECT_NEAR(share({.kind = Kind::kNf4, .double_quant = false}), 0.25 + 4 / 128.0, 1e-9);
  EXPECT_NEAR(share({.kind = Kind::kFp8}), 0.5, 1e-9);
}

}  // namespace
}  // namespace trireme
