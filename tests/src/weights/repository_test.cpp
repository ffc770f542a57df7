#include "src/weights/repository.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <nlohmann/json.hpp>

#include "src/weights/inspect.h"
#include "src/weights/safetensors_writer.h"
#include "tests/src/weights/files.h"
#include "tests/support/tensors.h"

namespace trireme {
namespace {

class RepositoryTest : public FilesTest {
 protected:
  // A whole, small SD3.5-medium below `at`.
  void make_checkpoint(const std::string& at) const {
    put(at + "/model_index.json", R"({"_class_name": "StableDiffusion3Pipeline",
        "_diffusers_version": "0.42.1", "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModelWithProjection"],
        "text_encoder_3": [null, null], "tokenizer": ["transformers", "CLIPTokenizer"],
        "transformer": ["diffusers", "SD3Transformer2DModel"], "vae": ["diffusers", "AutoencoderKL"],
        "flag": true})");
    put(at + "/scheduler/scheduler_config.json", R"({"shift": 3.0, "clip": -Infinity})");
    put(at + "/tokenizer/tokenizer_config.json", "{}");
    make_component(at + "/text_encoder", R"({"architectures": ["CLIPTextModelWithProjection"]})",
                   "model.safetensors", {{"w", integers({4, 2}).to(at::kHalf)}});
    make_component(at + "/transformer",
                   R"({"_class_name": "SD3Transformer2DModel", "sample_size": 64,
                   "dual_attention_layers": [0], "qk_norm": "rms_norm"})",
                   "diffusion_pytorch_model.safetensors",
                   {{"w", integers({4, 2})}, {"pos_embed.pos_embed", integers({1, 9, 4})}});
    make_component(at + "/vae", R"({"_class_name": "AutoencoderKL"})",
                   "diffusion_pytorch_model.safetensors", {{"w", integers({3})}});
  }
  void make_component(const std::string& at, const std::string& config, const std::string& file,
                      const std::vector<NamedTensor>& tensors) const {
    put(at + "/config.json", config);
    write_safetensors(folder_ / at / file, tensors);
  }
  Repository open(std::map<std::string, ComponentOverride> components = {}) const {
    return Repository::open((folder_ / "sd").string(), options(std::move(components)));
  }
  RepositoryOptions options(std::map<std::string, ComponentOverride> components = {}) const {
    return {.variant = "", .components = std::move(components), .hub = HubCache(folder_ / "hub")};
  }
};

TEST_F(RepositoryTest, KnowsItsComponents) {
  make_checkpoint("sd");
  const auto repository = open();
  EXPECT_EQ(repository.pipeline_class(), "StableDiffusion3Pipeline");
  EXPECT_EQ(repository.family(), "sd3.5-medium");
  EXPECT_EQ(repository.native_size(), 512);
  EXPECT_EQ(repository.class_of("vae"), "AutoencoderKL");
  EXPECT_EQ(repository.class_of("text_encoder_3"), "");
  EXPECT_FALSE(repository.component("text_encoder_3").has_value());
  EXPECT_EQ(
      repository.component_names(),
      (std::vector<std::string>{"scheduler", "text_encoder", "tokenizer", "transformer", "vae"}));
  EXPECT_EQ(repository.required("scheduler").config().get<double>("shift"), 3.0);
  const auto source = repository.required("text_encoder").open(at::kFloat, at::kCPU);
  expect_same_bits(source->read("w", 0, {0, 4}), integers({4, 2}));
}

TEST_F(RepositoryTest, TellsTheFamiliesApart) {
  make_checkpoint("sd");
  const auto family = [&](const std::string& config) {
    put("sd/transformer/config.json", config);
    return open().family();
  };
  EXPECT_EQ(family(R"({"qk_norm": "rms_norm"})"), "sd3.5-large");
  EXPECT_EQ(family(R"({"qk_norm": null, "dual_attention_layers": []})"), "sd3");
  put("sd/model_index.json", R"({"_class_name": "PixArtSigmaPipeline"})");
  EXPECT_EQ(open().family(), "pixart-sigma");
  put("sd/model_index.json", R"({"_class_name": "FluxPipeline"})");
  expect_error([&] { open().family(); }, Exit::kBadData,
               {"\"FluxPipeline\"", "PixArtSigmaPipeline"});
}

TEST_F(RepositoryTest, TheJobMayLeaveAComponentOut) {
  make_checkpoint("sd");
  const auto repository = open({{"text_encoder", {.absent = true, .path = ""}}});
  EXPECT_FALSE(repository.component("text_encoder").has_value());
  expect_error([&] { repository.required("text_encoder"); }, Exit::kMissingInput,
               {"no text_encoder", "cannot do without it"});
}

TEST_F(RepositoryTest, TheJobMayTakeAComponentFromElsewhere) {
  make_checkpoint("sd");
  make_component("other", R"({"_class_name": "SD3Transformer2DModel", "sample_size": 128})",
                 "diffusion_pytorch_model.safetensors", {{"w", integers({2})}});
  const auto here = (folder_ / "other").string();
  const auto repository = open({{"transformer", {.path = here}}});
  EXPECT_EQ(repository.native_size(), 1024);
  EXPECT_EQ(repository.class_of("transformer"), "SD3Transformer2DModel");
  EXPECT_EQ(repository.required("transformer").folder(), here);
  // A whole repository: its folder of that name. Also for a component that the index leaves out.
  make_component("more/text_encoder_3", R"({"architectures": ["T5EncoderModel"]})",
                 "model.safetensors", {{"w", integers({2})}});
  const auto with_t5 = open({{"text_encoder_3", {.path = (folder_ / "more").string()}}});
  EXPECT_EQ(with_t5.class_of("text_encoder_3"), "T5EncoderModel");
  expect_error(
      [&] {
        open({{"vae", {.path = "no/such/place/at/all"}}}).component("vae");
      },
      Exit::kMissingInput, {"no/such/place/at/all: nothing is there"});
}

TEST_F(RepositoryTest, TheVariantOfTheRepositoryIsNotForcedOnWhatStandsElsewhere) {
  make_checkpoint("sd");
  make_component("plain", R"({"_class_name": "AutoencoderKL"})",
                 "diffusion_pytorch_model.safetensors", {{"w", integers({2})}});
  make_component("both", R"({"_class_name": "AutoencoderKL"})",
                 "diffusion_pytorch_model.fp16.safetensors", {{"w", integers({2})}});
  for (const std::string place : {"plain", "both"}) {
    auto chosen = options({{"vae", {.path = (folder_ / place).string()}}});
    chosen.variant = "fp16";
    const auto repository = Repository::open((folder_ / "sd").string(), chosen);
    EXPECT_EQ(repository.required("vae").weight_files().files.size(), 1u);
    expect_error([&] { repository.required("transformer").weight_files(); }, Exit::kMissingInput,
                 {"diffusion_pytorch_model.fp16.safetensors",
                  "there is only diffusion_pytorch_model.safetensors"});
  }
}

TEST_F(RepositoryTest, SaysWhatIsMissing) {
  make_checkpoint("sd");
  std::filesystem::remove_all(folder_ / "sd/vae");
  expect_error([&] { open().component("vae"); }, Exit::kMissingInput,
               {"sd/vae: no such folder", "model_index.json names vae (AutoencoderKL)"});
  std::filesystem::remove(folder_ / "sd/transformer/config.json");
  expect_error([&] { open().required("transformer").config(); }, Exit::kMissingInput,
               {"transformer/config.json"});
  std::filesystem::remove(folder_ / "sd/model_index.json");
  expect_error([&] { open(); }, Exit::kMissingInput, {"no model_index.json", "model.components"});
}

TEST_F(RepositoryTest, RefusesWhatIsNoFolder) {
  const auto open_file = [&](const std::string& name, const std::string& content) {
    const auto path = put(name, content).string();
    return [this, path] { Repository::open(path, options()); };
  };
  expect_error(open_file("sd3.safetensors", "x"), Exit::kBadData, {"1 bytes long"});
  expect_error(open_file("pixart.pth", "PK\x03\x04 and so on"), Exit::kBadData,
               {"pixart.pth", "can run code"});
  expect_error(open_file("notes.txt", "hello there"), Exit::kBadData, {"model_index.json"});
}

TEST_F(RepositoryTest, FindsNamesInTheHuggingFaceCache) {
  const std::string cached = "hub/models--org--name";
  make_checkpoint(cached + "/snapshots/abc123");
  put(cached + "/refs/main", "abc123");
  put(cached + "/refs/v1/x", "abc123\n");
  for (const std::string name : {"org/name", "org/name@main", "org/name@v1/x", "org/name@abc123"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(Repository::open(name, options()).folder(), folder_ / cached / "snapshots/abc123");
  }
  expect_error([&] { Repository::open("org/name@v2", options()); }, Exit::kMissingInput,
               {"org/name@v2", "`hf download org/name --revision v2`", (folder_ / "hub").string()});
  expect_error([&] { Repository::open("org/none", options()); }, Exit::kMissingInput,
               {"`hf download org/none`", "HF_HOME"});
  std::filesystem::remove_all(folder_ / cached / "snapshots/abc123/vae");
  expect_error([&] { Repository::open("org/name", options()).component("vae"); },
               Exit::kMissingInput, {"incomplete download", "`hf download org/name`"});
}

TEST_F(RepositoryTest, ListsSnapshotsInOneOrder) {
  for (const std::string path : {"models--b--x/snapshots/1/f", "models--b--x/snapshots/2/f",
                                 "models--a--y/snapshots/9/f", "datasets--a--z/snapshots/1/f"})
    put("hub/" + path, "");
  put("hub/models--b--x/refs/main", "2");
  const auto hub = folder_ / "hub";
  EXPECT_EQ(HubCache(hub).snapshots(),
            (std::vector<std::filesystem::path>{hub / "models--a--y/snapshots/9",
                                                hub / "models--b--x/snapshots/2",
                                                hub / "models--b--x/snapshots/1"}));
  EXPECT_TRUE(HubCache(folder_ / "none").snapshots().empty());
}

TEST_F(RepositoryTest, InspectTakesTheVariantThatIsThere) {
  make_checkpoint("sd");
  const auto file = folder_ / "sd/vae/diffusion_pytorch_model";
  std::filesystem::rename(file.string() + ".safetensors", file.string() + ".fp16.safetensors");
  const auto facts = inspect_checkpoint((folder_ / "sd").string());
  EXPECT_TRUE(facts.missing.empty());
  EXPECT_EQ(facts.components.at("vae").files,
            std::vector<std::string>{"vae/diffusion_pytorch_model.fp16.safetensors"});
}

TEST(HubName, IsOrganisationAndNameAlone) {
  EXPECT_EQ(parse_hub_name("PixArt-alpha/PixArt-Sigma-XL-2-1024-MS")->revision, "main");
  EXPECT_EQ(parse_hub_name("a/b@refs/pr/1")->revision, "refs/pr/1");
  for (const std::string text : {"name", "a/b/c", "./a/b", "../a", "/a/b", "a/", "a/b@",
                                 "a/b@../../x", "a/x.safetensors", "a/..", "a b/c"}) {
    EXPECT_FALSE(parse_hub_name(text).has_value()) << text;
  }
}

// The variables of Hugging Face's library, in its order.
class HubCacheTest : public testing::Test {
 protected:
  static constexpr const char* kNames[] = {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME",
                                           "XDG_CACHE_HOME", "HOME"};
  void SetUp() override {
    for (const char* name : kNames) {
      if (const char* value = getenv(name)) before_[name] = value;
      unsetenv(name);
    }
  }
  void TearDown() override {
    for (const char* name : kNames) unsetenv(name);
    for (const auto& [name, value] : before_) setenv(name.c_str(), value.c_str(), 1);
  }
  std::map<std::string, std::string> before_;
};

TEST_F(HubCacheTest, StandsWhereHuggingFaceKeepsIt) {
  const auto folder = [] { return HubCache::from_environment().folder().string(); };
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(folder(), "/home/me/.cache/huggingface/hub");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(folder(), "/cache/huggingface/hub");
  setenv("HF_HOME", "~/hf", 1);
  EXPECT_EQ(folder(), "/home/me/hf/hub");
  setenv("HUGGINGFACE_HUB_CACHE", "/old", 1);
  EXPECT_EQ(folder(), "/old");
  setenv("HF_HUB_CACHE", "/new", 1);
  EXPECT_EQ(folder(), "/new");
}

TEST_F(RepositoryTest, InspectReadsHeadersAlone) {
  make_checkpoint("sd");
  std::filesystem::remove(folder_ / "sd/vae/diffusion_pytorch_model.safetensors");
  // Headers say it all: data that no rank may load do not disturb.
  write_safetensors(
      folder_ / "sd/text_encoder/model.safetensors",
      {{"w", at::full({4, 2}, NAN).to(at::kHalf)}, {"x.position_ids", at::arange(3)}});
  const auto json = to_json(inspect_checkpoint(open()));
  EXPECT_EQ(json["family"], "sd3.5-medium");
  EXPECT_EQ(json["native_size"], 512);
  EXPECT_EQ(json["missing"], nlohmann::json({"vae"}));
  const auto& transformer = json["components"]["transformer"];
  EXPECT_EQ(transformer["class"], "SD3Transformer2DModel");
  EXPECT_EQ(transformer["parameters"], 8);  // the position table is a buffer
  EXPECT_EQ(transformer["bytes"], (8 + 36) * 4);
  EXPECT_EQ(transformer["files"],
            nlohmann::json({"transformer/diffusion_pytorch_model.safetensors"}));
  const auto& clip = json["components"]["text_encoder"];
  EXPECT_EQ(clip["dtypes"], nlohmann::json({"int64", "float16"}));
  EXPECT_EQ(clip["parameters"], 8);
  EXPECT_EQ(json["components"]["scheduler"]["files"],
            nlohmann::json({"scheduler/scheduler_config.json"}));
  EXPECT_FALSE(json["components"].contains("text_encoder_3"));
}

}  // namespace
}  // namespace trireme
