#include "src/pipelines/pipeline.h"

#include <gtest/gtest.h>

#include "src/pipelines/recent_embeddings.h"

namespace trireme {
namespace {

Pipeline pipeline_of(const Repository& repository, bool waits_on_host) {
  return {repository, place({}, Group()), {.waits_on_host = waits_on_host}};
}

// The embeddings of a prompt and, denoised over one step from them, the latents of a sample.
std::pair<at::Tensor, at::Tensor> made_by(Pipeline& pipeline) {
  const Parts text{.text = true}, transformer{.transformer = true};
  Sample sample;
  sample.prompt = "a red star";
  sample.sampling.height = sample.sampling.width = 64;
  sample.sampling.num_inference_steps = 1;
  sample.sampling.guidance_scale = 1;
  const auto recipe = recipe_for(sample, pipeline.facts());
  pipeline.bring(text);
  const auto embeddings = pipeline.encode(positive_prompt(sample, recipe));
  pipeline.fetch(transformer);
  pipeline.bring(transformer);
  auto batch = pipeline.begin({sample}, recipe, {embeddings, std::nullopt});
  batch.forward(0);
  batch.step(0);
  return {embeddings.hidden, batch.result().latents};
}

TEST(Pipeline, ComponentsThatWaitOnTheHostMakeTheSame) {
  const c10::InferenceMode inference;
  for (const auto* folder : {"demo/pixart", "demo/sd3"}) {
    const auto repository = Repository::open(folder);
    auto here = pipeline_of(repository, false), waiting = pipeline_of(repository, true);
    for (auto* pipeline : {&here, &waiting}) pipeline->hold({true, true, true});
    for (int time = 0; time < 2; ++time) {
      const auto [text, latents] = made_by(here);
      const auto [waiting_text, waiting_latents] = made_by(waiting);
      EXPECT_TRUE(at::equal(text, waiting_text)) << folder;
      EXPECT_TRUE(at::equal(latents, waiting_latents)) << folder;
    }
  }
}

TEST(RecentEmbeddings, APromptThatComesAgainIsEncodedOnce) {
  const c10::InferenceMode inference;
  const auto repository = Repository::open("demo/pixart");
  auto pipeline = pipeline_of(repository, false);
  pipeline.hold({.text = true});
  const auto prompt = [](const std::string& text) {
    return Prompt{.text = text, .text_2 = {}, .text_3 = {}, .max_sequence_length = 16};
  };
  const auto bytes = static_cast<int64_t>(pipeline.encode(prompt("a")).hidden.nbytes());
  // Room for two and what is small.
  RecentEmbeddings recent(pipeline, 2 * bytes + bytes / 2);
  const auto is_encoded = [&](const std::string& text) {
    recent(prompt(text));
    return recent.take_flops() > 0;
  };
  EXPECT_TRUE(is_encoded("negative"));
  for (const auto* text : {"a", "b", "c"}) {
    EXPECT_TRUE(is_encoded(text));
    EXPECT_FALSE(is_encoded(text));
    EXPECT_FALSE(is_encoded("negative"));  // used again and again, it stays
  }
  EXPECT_TRUE(is_encoded("a"));  // used longest ago, it went
}

}  // namespace
}  // namespace trireme
