// Each form of a mapped tensor, whole and in slices of every dimension: as if the file held it so.
#include "src/weights/mapped_file.h"

#include <gtest/gtest.h>

#include "src/weights/key_map.h"
#include "src/weights/safetensors_writer.h"
#include "tests/src/weights/files.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

class MappedFileTest : public FilesTest {
 protected:
  // The file's tensors, seen through the rules.
  MappedFile open(const std::vector<NamedTensor>& tensors,
                  const std::function<void(KeyMap&)>& rules) const {
    const auto file = folder_ / "file.safetensors";
    write_safetensors(file, tensors);
    const auto header = read_safetensors_header(ReadOnlyFile(file));
    KeyMap map("the file", "a test", header.tensors, "p.");
    rules(map);
    return MappedFile(file, std::make_shared<const TensorMap>(std::move(map).finish()));
  }

  static void expect_slices(const MappedFile& file, const std::string& name,
                            const at::Tensor& whole) {
    SCOPED_TRACE(name);
    const auto* stored = file.find(name);
    ASSERT_NE(stored, nullptr);
    ASSERT_EQ(stored->shape, whole.sizes().vec());
    for (int64_t dim = 0; dim < whole.dim(); ++dim) {
      for (int64_t begin = 0; begin < whole.size(dim); ++begin) {
        for (int64_t length = 0; begin + length <= whole.size(dim); ++length) {
          const auto expected = whole.narrow(dim, begin, length);
          expect_same_bits(file.read(*stored, dim, {begin, length}, whole.options()),
                           expected.contiguous());
          const auto larger = at::full({whole.size(0) + 1, 9}, -9.0f);
          const auto target =
              whole.dim() == 2
                  ? larger.narrow(0, 1, expected.size(0)).narrow(1, 2, expected.size(1))
                  : at::empty_like(expected);
          file.read_into(target, *stored, dim, {begin, length});
          expect_same_bits(target.contiguous(), expected.contiguous());
        }
      }
    }
  }

  const at::Tensor a_ = integers({6, 4}, 1), b_ = integers({6}, 2);
};

TEST_F(MappedFileTest, SplitsRows) {
  const auto file = open({{"p.qkv.weight", a_}, {"p.qkv.bias", b_}}, [](KeyMap& m) {
    m.split_layer("qkv", {"q", "k", "v"}, {6, 4});
  });
  for (const auto& [name, row] : {std::pair{"q", 0}, {"k", 2}, {"v", 4}}) {
    expect_slices(file, std::string(name) + ".weight", a_.narrow(0, row, 2));
    expect_slices(file, std::string(name) + ".bias", b_.narrow(0, row, 2));
  }
}

TEST_F(MappedFileTest, SwapsHalves) {
  const auto file = open({{"p.mod.weight", a_}, {"p.mod.bias", b_}}, [](KeyMap& m) {
    m.swap_halves_layer("mod", "linear", {6, 4});
  });
  expect_slices(file, "linear.weight", at::cat({a_.narrow(0, 3, 3), a_.narrow(0, 0, 3)}));
  expect_slices(file, "linear.bias", at::cat({b_.narrow(0, 3, 3), b_.narrow(0, 0, 3)}));
}

TEST_F(MappedFileTest, TransposesSqueezesAndMakesTheIdentity) {
  const auto file =
      open({{"p.t", a_}, {"p.conv", a_.view({6, 4, 1, 1})}, {"p.matrix", a_}}, [](KeyMap& m) {
        m.transposed("t", "turned", {6, 4});
        m.pointwise("conv", "squeezed", {6, 4});
        m.pointwise("matrix", "as it is", {6, 4});
        m.identity("one", 5);
      });
  expect_slices(file, "turned", a_.t().contiguous());
  expect_slices(file, "squeezed", a_);
  expect_slices(file, "as it is", a_);
  expect_slices(file, "one", at::eye(5));
}

TEST_F(MappedFileTest, ConvertsAsAnyFile) {
  const auto file =
      open({{"p.mod.weight", a_.to(at::kFloat8_e4m3fn)}, {"p.mod.bias", b_}}, [](KeyMap& m) {
        m.swap_halves_layer("mod", "linear", {6, 4});
      });
  expect_slices(file, "linear.weight", at::cat({a_.narrow(0, 3, 3), a_.narrow(0, 0, 3)}));
}

// A part of a large tensor is lent as the file's own pages: what is written there is seen.
TEST_F(MappedFileTest, PartsAreTheFilesPages) {
  const int64_t rows = 3 * 512, width = 1024;
  const auto large = normals({rows, width}, 3);
  const auto file = open({{"p.qkv", large}}, [](KeyMap& m) {
    m.split("qkv", {"q", "k", "v"}, {3 * 512, 1024});
  });
  const auto* k = file.find("k");
  const auto lent = file.read(*k, 0, {0, 512}, at::kFloat);
  expect_same_bits(lent, large.narrow(0, 512, 512));
  const float changed = 42;
  std::fstream raw(folder_ / "file.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  raw.seekp(k->begin);
  raw.write(reinterpret_cast<const char*>(&changed), sizeof changed);
  raw.close();
  EXPECT_EQ(lent[0][0].item<float>(), changed);
}

TEST_F(MappedFileTest, TellsWhatDoesNotFit) {
  const auto refused = [&](const std::function<void(KeyMap&)>& rules) {
    return [this, rules] { open({{"p.a", a_}, {"p.n", at::arange(3)}, {"other", b_}}, rules); };
  };
  const auto ignore = [](KeyMap& m) { m.ignore({"*"}); };
  EXPECT_NO_THROW(refused(ignore)());
  expect_error(refused([](KeyMap& m) {
                 m.tensor("a", "x", {4, 6});
               }),
               Exit::kBadData, {"the file: p.a has shape [6, 4]", "a test needs [4, 6]"});
  expect_error(refused([](KeyMap& m) { m.tensor("c", "x", {4}); }), Exit::kBadData,
               {"no tensor p.c"});
  expect_error(refused([](KeyMap& m) { m.tensor("n", "x", {3}); }), Exit::kBadData,
               {"p.n holds int64"});
  expect_error(refused([](KeyMap& m) { m.ignore({"n"}); }), Exit::kBadData,
               {"1 tensors have no place: p.a"});
}

TEST_F(MappedFileTest, CountsTheLargestNumber) {
  std::vector<StoredTensor> tensors;
  for (const auto* name : {"b.0.x", "b.11.x", "b.3.y", "b.x", "b.4", "c.20.x", "b.99999999999.x",
                           "b.-3.x", "b.5.x", "b.6.x", "b.7.x", "b.8.x"})
    tensors.push_back({.name = name, .shape = {}});
  const KeyMap map("", "", tensors, "");
  EXPECT_EQ(map.count("b."), 12);
  EXPECT_EQ(map.count("d."), 0);
}

}  // namespace
}  // namespace trireme
