#include "src/weights/safetensors_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "src/weights/numbers.h"
#include "src/weights/safetensors_writer.h"
#include "src/weights/slice.h"
#include "tests/src/weights/files.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

class SafetensorsFileTest : public FilesTest {
 protected:
  SafetensorsFile file_of(const at::Tensor& tensor) const {
    write_safetensors(folder_ / "w.safetensors",
                      {{"first", at::ones({3}, at::kByte)}, {"w", tensor}});
    return SafetensorsFile(folder_ / "w.safetensors");
  }
  static at::Tensor read(const SafetensorsFile& file, int64_t dim, Part part, at::ScalarType type) {
    auto shape = file.find("w")->shape;
    if (!shape.empty()) shape[dim] = part.length;
    auto out = at::empty(shape, landing_type(file.find("w")->type, type));
    file.read_into(out, *file.find("w"), dim, part);
    return out;
  }
};

TEST_F(SafetensorsFileTest, EveryDtypeComesBackAsItWasWritten) {
  for (auto type :
       {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kFloat8_e4m3fn, at::kFloat8_e5m2,
        at::kLong, at::kInt, at::kShort, at::kChar, at::kByte, at::kBool}) {
    SCOPED_TRACE(c10::toString(type));
    const auto tensor = normals({3, 5}).mul(3).to(type);
    expect_same_bits(file_of(tensor).read("w"), tensor);
  }
}

// Sizes around those where the way of reading changes: short and long runs, several blocks, rows
// longer than a block, several threads.
TEST_F(SafetensorsFileTest, AnySliceOfAnyDimensionEqualsTheSliceOfTheWhole) {
  const std::vector<std::vector<int64_t>> shapes = {
      {7}, {5, 6}, {4, 3, 5}, {2, 3, 2, 4}, {700, 3000}, {3, 600000}, {300000, 7}, {4, 9000, 40}};
  for (const auto& shape : shapes) {
    const auto whole = integers(shape);
    const auto file = file_of(whole);
    for (size_t dim = 0; dim < shape.size(); ++dim) {
      for (const Part part : {Part{0, shape[dim]}, Part{1, shape[dim] - 1}, Part{shape[dim] / 2, 1},
                              Part{shape[dim], 0}}) {
        SCOPED_TRACE(testing::Message() << at::IntArrayRef(shape) << " dim " << dim << " from "
                                        << part.begin << " length " << part.length);
        const auto expected = whole.narrow(dim, part.begin, part.length);
        expect_same_bits(read(file, dim, part, at::kFloat), expected.contiguous());
        expect_same_bits(read(file, dim, part, at::kBFloat16),
                         expected.to(at::kBFloat16).contiguous());
      }
    }
  }
}

TEST_F(SafetensorsFileTest, FillsAPartOfALargerTensor) {
  const auto file = file_of(integers({4, 6}));
  auto stacked = at::zeros({8, 6});
  file.read_into(stacked.narrow(0, 2, 4), *file.find("w"), 0, {0, 4});
  expect_same_bits(stacked.narrow(0, 2, 4).contiguous(), integers({4, 6}));
  auto wide = at::zeros({4, 9});  // not contiguous: its rows are 9 apart
  file.read_into(wide.narrow(1, 1, 6), *file.find("w"), 0, {0, 4});
  expect_same_bits(wide.narrow(1, 1, 6).contiguous(), integers({4, 6}));
  EXPECT_EQ(wide.select(1, 0).abs().sum().item<float>(), 0);
}

TEST_F(SafetensorsFileTest, ConvertsFloatsAndLeavesIntegersAlone) {
  const auto x = normals({1000, 70});
  for (auto stored :
       {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kFloat8_e4m3fn, at::kFloat8_e5m2}) {
    for (auto wanted : {at::kFloat, at::kHalf, at::kBFloat16}) {
      SCOPED_TRACE(testing::Message() << stored << " to " << wanted);
      const auto written = x.to(stored);
      expect_same_bits(read(file_of(written), 0, {0, 1000}, wanted), written.to(wanted));
    }
  }
  const auto ids = at::arange(10, at::kLong);
  expect_same_bits(read(file_of(ids), 0, {0, 10}, at::kHalf), ids);
}

// The table of 256 entries against ATen's own conversion, and against the format's definition.
TEST(Numbers, Float8MeansWhatTheFormatSays) {
  const auto bytes = at::arange(256, at::kLong).to(at::kByte);
  for (auto [stored, type] : {std::pair(StoredType::kF8E4M3, at::kFloat8_e4m3fn),
                              std::pair(StoredType::kF8E5M2, at::kFloat8_e5m2)}) {
    for (auto wanted : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}) {
      auto out = at::empty({256}, wanted);
      convert_numbers(bytes.data_ptr(), stored, out.data_ptr(), wanted, 256);
      const auto expected = bytes.view(type).to(at::kFloat).to(wanted);
      EXPECT_TRUE(at::allclose(out, expected, 0, 0, /*equal_nan=*/true)) << name_of(stored);
    }
  }
  auto out = at::empty({256}, at::kFloat);
  convert_numbers(bytes.data_ptr(), StoredType::kF8E4M3, out.data_ptr(), at::kFloat, 256);
  const auto* v = out.data_ptr<float>();
  for (int b = 0; b < 256; ++b) {
    const int exponent = b >> 3 & 15, mantissa = b & 7;
    const float size =
        exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    if ((b & 0x7f) == 0x7f) {
      EXPECT_TRUE(std::isnan(v[b]))
          << b;  // the only codes that are no numbers: there is no infinity
    } else {
      EXPECT_EQ(v[b], b & 0x80 ? -size : size) << b;
    }
  }
  EXPECT_EQ(v[0x7e], 448);
}

TEST_F(SafetensorsFileTest, NamesTheFirstNumberThatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  auto x = at::zeros({900, 1000});
  x[700][3] = std::nanf("");
  x[800][4] = kInfinity;
  const auto file = file_of(x);
  for (auto wanted : {at::kFloat, at::kBFloat16}) {
    expect_error(
        [&] {
          read(file, 0, {0, 900}, wanted);
        },
        Exit::kBadData, {"w.safetensors: w[700, 3] is nan", "must be finite"});
    expect_error([&] { read(file, 0, {750, 150}, wanted); }, Exit::kBadData, {"w[800, 4] is inf"});
    expect_error([&] { read(file, 1, {2, 3}, wanted); }, Exit::kBadData, {"w[700, 3] is nan"});
    EXPECT_NO_THROW(read(file, 0, {0, 700}, wanted));
    EXPECT_NO_THROW(read(file, 1, {5, 900}, wanted));
  }
}

TEST_F(SafetensorsFileTest, FindsWhatIsNotFiniteInEveryFloatingType) {
  for (auto type :
       {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kFloat8_e4m3fn, at::kFloat8_e5m2}) {
    SCOPED_TRACE(c10::toString(type));
    const auto bad = at::tensor({1.0f, -2.0f, std::nanf("")}).to(type);
    EXPECT_EQ(first_not_finite(bad.data_ptr(), type, 3), 2);
    EXPECT_EQ(first_not_finite(bad.data_ptr(), type, 2), -1);
    expect_error(
        [&] {
          read(file_of(bad), 0, {0, 3}, at::kFloat);
        },
        Exit::kBadData, {"w[2] is nan"});
  }
}

TEST_F(SafetensorsFileTest, SaysWhenANumberDoesNotFitTheDtype) {
  const auto file = file_of(at::tensor({1.0f, 70000.0f}));
  expect_error(
      [&] {
        read(file, 0, {0, 2}, at::kHalf);
      },
      Exit::kBadData, {"w[1] is 70000", "must fit float16", "bfloat16"});
  EXPECT_NO_THROW(read(file, 0, {0, 2}, at::kBFloat16));
}

TEST_F(SafetensorsFileTest, ReadsScalars) {
  expect_same_bits(read(file_of(at::scalar_tensor(2.5)), 0, {0, 1}, at::kFloat),
                   at::scalar_tensor(2.5));
}

TEST_F(SafetensorsFileTest, AWrongCutIsABug) {
  const auto file = file_of(integers({4, 6}));
  EXPECT_EQ(file.find("nothing"), nullptr);
  const auto* w = file.find("w");
  expect_error(
      [&] {
        file.read_into(at::empty({5, 6}), *w, 0, {0, 5});
      },
      Exit::kBug, {"wrong cut"});
  expect_error(
      [&] {
        file.read_into(at::empty({4, 6}), *w, 2, {0, 1});
      },
      Exit::kBug, {"wrong cut"});
  expect_error(
      [&] {
        file.read_into(at::empty({4, 5}), *w, 0, {0, 4});
      },
      Exit::kBug, {"wrong cut"});
}

TEST_F(SafetensorsFileTest, NamesFilesThatCannotBeOpened) {
  expect_error([&] { SafetensorsFile(folder_ / "none.safetensors"); }, Exit::kMissingInput,
               {"none.safetensors", "No such file"});
  expect_error([&] { SafetensorsFile{folder_}; }, Exit::kBadData, {"not a regular file"});
}

TEST_F(SafetensorsFileTest, AFileThatShrinksIsAnInputError) {
  const auto file = file_of(integers({4, 6}));
  std::filesystem::resize_file(folder_ / "w.safetensors", 200);
  expect_error([&] { read(file, 0, {0, 4}, at::kFloat); }, Exit::kInputOutput, {"the file ends"});
}

// Whatever the layout, no block is longer than the limit, and together they are the slice.
TEST(Slice, BlocksAreBoundedAndCoverTheSlice) {
  for (const auto& shape :
       std::vector<std::vector<int64_t>>{{1000, 33}, {3, 50000}, {20, 30, 400}}) {
    StoredTensor tensor{.name = "w", .type = StoredType::kF16, .shape = shape, .begin = 64};
    for (int64_t dim = 0; dim < static_cast<int64_t>(shape.size()); ++dim) {
      int64_t expected = 2 * 2, at = 0;
      for (size_t d = 0; d < shape.size(); ++d) {
        if (static_cast<int64_t>(d) != dim) expected *= shape[d];
      }
      for (const auto& block : blocks_of(tensor, dim, {1, 2}, kLongRun)) {
        EXPECT_LE(block.bytes(), kLongRun);
        if (block.rows > 1 && block.run < kLongRun) {
          EXPECT_LE(block.span(), kLongRun);
        }
        EXPECT_EQ(block.slice_offset, at);
        at += block.bytes();
      }
      EXPECT_EQ(at, expected);
    }
  }
}

}  // namespace
}  // namespace trireme
