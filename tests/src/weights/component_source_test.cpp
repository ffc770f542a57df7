#include "src/weights/component_source.h"

#include <gtest/gtest.h>

#include "src/weights/safetensors_writer.h"
#include "tests/src/weights/files.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

class ComponentSourceTest : public FilesTest {
 protected:
  void write(const std::string& name, const std::vector<NamedTensor>& tensors) const {
    write_safetensors(folder_ / name, tensors);
  }
  WeightFiles find(const std::string& variant = "", const std::string& stem = "model") const {
    return find_weight_files({folder_, stem, variant, "hf download org/name"});
  }
  ComponentSource open(const std::string& variant = "") const {
    return ComponentSource(find(variant), at::kFloat, at::kCPU);
  }

  const at::Tensor a_ = integers({4, 2}, 1);
  const at::Tensor b_ = integers({3}, 2);
};

TEST_F(ComponentSourceTest, ReadsASingleFile) {
  write("model.safetensors", {{"a", a_}, {"b", b_.to(at::kHalf)}});
  auto source = open();
  EXPECT_TRUE(source.has("a"));
  EXPECT_EQ(source.shape("a"), (std::vector<int64_t>{4, 2}));
  expect_same_bits(source.read("a", 0, {1, 2}), a_.narrow(0, 1, 2));
  expect_same_bits(source.read("b", 0, {0, 3}), b_);  // converted
  EXPECT_NE(source.place("a").find("model.safetensors"), std::string::npos);
  EXPECT_NO_THROW(source.finish());
}

TEST_F(ComponentSourceTest, ReadsShards) {
  write("model-00001-of-00002.safetensors", {{"a", a_}});
  write("model-00002-of-00002.safetensors", {{"b", b_}});
  put("model.safetensors.index.json",
      R"({"metadata": {"total_size": 44}, "weight_map": {"a": "model-00001-of-00002.safetensors",
          "b": "model-00002-of-00002.safetensors"}})");
  auto source = open();
  expect_same_bits(source.read("a", 0, {0, 4}), a_);
  expect_same_bits(source.read("b", 0, {0, 3}), b_);
  EXPECT_NE(source.place("b").find("model-00002-of-00002"), std::string::npos);
}

TEST_F(ComponentSourceTest, TheIndexMustTellTheTruth) {
  const auto index = [&](const std::string& map) {
    put("model.safetensors.index.json", R"({"weight_map": )" + map + "}");
  };
  write("one.safetensors", {{"a", a_}});
  index(R"({"a": "one.safetensors", "b": "two.safetensors"})");
  expect_error([&] { find(); }, Exit::kMissingInput,
               {"two.safetensors: no such file", "index.json lists it", "hf download"});
  index(R"({"a": "one.safetensors", "b": "one.safetensors"})");
  expect_error([&] { open(); }, Exit::kBadData, {"one.safetensors: no tensor b", "index"});
  index(R"({"a": "../one.safetensors"})");
  expect_error([&] { find(); }, Exit::kBadData, {"../one.safetensors"});
  index(R"({"a": 1})");
  expect_error([&] { find(); }, Exit::kBadData, {"a has no file"});
  index("[]");
  expect_error([&] { find(); }, Exit::kBadData, {"weight_map"});
  write("two.safetensors", {{"a", b_}, {"b", b_}});
  index(R"({"a": "one.safetensors", "b": "two.safetensors"})");
  expect_same_bits(open().read("a", 0, {0, 4}), a_);  // in both: the index decides
}

TEST_F(ComponentSourceTest, FindsEverySpellingOfAVariant) {
  const std::string map = R"({"weight_map": {"a": "model.fp16-00001-of-00001.safetensors"}})";
  write("model.fp16-00001-of-00001.safetensors", {{"a", a_}});
  for (const std::string index :
       {"model.safetensors.index.fp16.json", "model.fp16.safetensors.index.json"}) {
    SCOPED_TRACE(index);
    put(index, map);
    expect_same_bits(open("fp16").read("a", 0, {0, 4}), a_);
    std::filesystem::remove(folder_ / index);
  }
  write("model.fp16.safetensors", {{"a", a_}});
  expect_same_bits(open("fp16").read("a", 0, {0, 4}), a_);
}

TEST_F(ComponentSourceTest, AVariantIsNeverReplacedByAnother) {
  write("model.safetensors", {{"a", a_}});
  expect_error([&] { find("fp16"); }, Exit::kMissingInput,
               {"there is only model.safetensors", "model.fp16.safetensors or ", "model.variant"});
  std::filesystem::rename(folder_ / "model.safetensors", folder_ / "model.fp16.safetensors");
  expect_error([&] { find(); }, Exit::kMissingInput,
               {"there is only model.fp16.safetensors", "model.safetensors or "});
  EXPECT_TRUE(has_variant(folder_, "fp16"));
  EXPECT_FALSE(has_variant(folder_, "fp1"));
}

TEST_F(ComponentSourceTest, DiffusersAndTransformersNameTheirFilesDifferently) {
  write("diffusion_pytorch_model.safetensors", {{"a", a_}});
  EXPECT_NO_THROW(find("", "diffusion_pytorch_model"));
  expect_error([&] { find("", "model"); }, Exit::kMissingInput,
               {"there is only diffusion_pytorch"});
}

TEST_F(ComponentSourceTest, MissingWeightsAreNamed) {
  expect_error([&] { find(); }, Exit::kMissingInput,
               {"no .safetensors file is there", "model.safetensors", "hf download org/name"});
  write("model-00001-of-00002.safetensors", {{"a", a_}});
  expect_error([&] { find(); }, Exit::kMissingInput, {"shards without their index"});
}

TEST_F(ComponentSourceTest, PicklesAreRefused) {
  for (const std::string name : {"pytorch_model.bin", "model.pt", "model.pth", "model.ckpt"}) {
    SCOPED_TRACE(name);
    const auto path = put(name, "PK");
    expect_error([&] { find(); }, Exit::kBadData,
                 {name, "can run code",
                  name == "model.pth" ? "convert_pixart_sigma" : "safe_serialization=True"});
    std::filesystem::remove(path);
  }
  put("model.safetensors", std::string("PK\x03\x04\0\0\x08\x08", 8) + "renamed archive");
  expect_error([&] { open(); }, Exit::kBadData, {"model.safetensors", "a zip archive"});
}

TEST_F(ComponentSourceTest, ATensorThatIsNotThereIsNamed) {
  write("model.safetensors", {{"a", a_}});
  auto source = open();
  expect_error([&] { source.shape("c.weight"); }, Exit::kBadData,
               {"model.safetensors: no tensor c.weight"});
  expect_error([&] { source.read("c.weight", 0, {0, 1}); }, Exit::kBadData, {"c.weight"});
}

TEST_F(ComponentSourceTest, EveryTensorMustHaveItsPlace) {
  write("model.safetensors", {{"a", a_},
                              {"text_model.embeddings.position_ids", b_},
                              {"blocks.0.w", b_},
                              {"blocks.1.w", b_},
                              {"stray.weight", b_}});
  auto source = open();
  source.read("a", 0, {0, 0});  // an empty share counts
  source.elsewhere("blocks.1");
  expect_error([&] { source.finish({"*.position_ids"}); }, Exit::kBadData,
               {"2 tensors have no place in the model: blocks.0.w, stray.weight"});
  source.read("blocks.0.w", 0, {0, 3});
  EXPECT_NO_THROW(source.finish({"*position_ids", "stray.*"}));
  expect_error([&] { source.finish({"*position_ids"}); }, Exit::kBadData, {"stray.weight"});
}

TEST_F(ComponentSourceTest, ScaledFloat8IsRefused) {
  write("model.safetensors", {{"q.weight", a_.to(at::kFloat8_e4m3fn)}, {"q.scale_weight", b_}});
  expect_error([&] { open(); }, Exit::kBadData, {"q.scale_weight", "scaled float8"});
}

}  // namespace
}  // namespace trireme
