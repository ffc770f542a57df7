#include "src/render/workload.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "src/encoders/encoder_work.h"
#include "src/pipelines/components.h"
#include "src/pipelines/schedule_for.h"
#include "src/pipelines/text.h"
#include "src/tokenizers/clean_caption.h"
#include "src/tokenizers/tokenizer.h"
#include "src/transformers/pixart_work.h"
#include "src/transformers/sd3_work.h"
#include "src/vae/vae_work.h"

namespace trireme {
namespace {

constexpr int64_t kMostRows = 10'000;
constexpr size_t kMostShapes = 8;
constexpr int64_t kMostTexts = 256;  // that are tokenized, of each shape

Storage plain(int64_t element_bytes) {
  return element_bytes == 4 ? Storage::kFloat32 : Storage::kHalf;
}

Storage storage_of(const Component& component, int64_t element_bytes) {
  const auto how = component.quantization();
  switch (how.kind) {
    case Quantization::Kind::kInt8:
      return Storage::kInt8;
    case Quantization::Kind::kNf4:
      return how.double_quant ? Storage::kNf4Double : Storage::kNf4;
    case Quantization::Kind::kFp8:
      return Storage::kFp8;
    case Quantization::Kind::kNone:
      break;
  }
  return plain(element_bytes);
}

// How many tokens texts have.
class Lengths {
 public:
  explicit Lengths(const Inputs& inputs) : sd3_(inputs.model().family == Family::kSd3) {
    const auto component = inputs.repository().component("tokenizer");
    if (inputs.encodes() && component) tokenizer_ = load_tokenizer(component->folder());
  }

  // diffusers pads CLIP's texts to the first tokenizer's length.
  int64_t clip() const {
    constexpr int64_t kClipTokens = 77;
    return tokenizer_ ? std::min(tokenizer_->max_length(), kClipTokens) : kClipTokens;
  }
  int64_t padded(const Recipe& recipe) const {
    return recipe.max_sequence_length + (sd3_ ? clip() : 0);
  }
  // Without padding, where the transformer leaves it out.
  int64_t seen(const Prompt& prompt) const {
    if (sd3_ || !tokenizer_) return prompt.max_sequence_length + (sd3_ ? clip() : 0);
    const auto text = prompt.clean_caption ? cleaner_(prompt.text) : lower_strip(prompt.text);
    const auto mask = tokenizer_->encode(text, prompt.max_sequence_length).mask;
    return std::accumulate(mask.begin(), mask.end(), int64_t{0});
  }

 private:
  bool sd3_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  CaptionCleaner cleaner_;
};

EncoderWork encoder_work(const Component& component, const Lengths& lengths,
                         int64_t max_sequence_length) {
  const auto name = component.name();
  return component.class_name().starts_with("T5")
             ? t5_work(T5Config::read(component.config()), name, max_sequence_length)
             : clip_work(ClipConfig::read(component.config()), name, lengths.clip());
}

std::vector<EncoderWork> encoders_of(const Inputs& inputs, const Lengths& lengths,
                                     int64_t element_bytes) {
  const auto longest = inputs.recipe(inputs.first_readable()).max_sequence_length;
  std::vector<EncoderWork> encoders;
  for (const auto* name : {"text_encoder", "text_encoder_2", "text_encoder_3"}) {
    const auto component = inputs.repository().component(name);
    if (!component) continue;
    encoders.push_back(encoder_work(*component, lengths, longest));
    encoders.back().storage = storage_of(*component, element_bytes);
  }
  return encoders;
}

TransformerWork transformer_of(const Inputs& inputs, int64_t element_bytes) {
  const auto component = inputs.repository().required("transformer");
  auto work = inputs.model().family == Family::kSd3
                  ? sd3_work(Sd3Config::read(component.config()))
                  : pixart_work(PixArtConfig::read(component.config()));
  work.storage = storage_of(component, element_bytes);
  return work;
}

bool decodes_in_tiles(const Inputs& inputs) {
  const auto& components = inputs.job().model.components;
  const auto vae = components.find("vae");
  return vae != components.end() && vae->second.tiling;
}

Shape shape_of(const Recipe& recipe, const ModelFacts& facts, int64_t steps) {
  const auto height = recipe.made.height / facts.pixels_per_latent,
             width = recipe.made.width / facts.pixels_per_latent;
  return {.latent_height = height,
          .latent_width = width,
          .image_tokens = height * width / (facts.patch_size * facts.patch_size),
          .branches = recipe.guidance.on() ? 2 : 1,
          .steps = steps};
}

double work_of(const Shape& shape) {
  return static_cast<double>(shape.image_tokens) * static_cast<double>(shape.branches) *
         static_cast<double>(shape.steps);
}

// The most work first; of very many shapes the small ones count as the next larger.
std::vector<Shape> in_order(std::vector<Shape> shapes) {
  std::sort(shapes.begin(), shapes.end(),
            [](const Shape& a, const Shape& b) { return work_of(a) > work_of(b); });
  while (shapes.size() > kMostShapes) {
    const auto pictures = shapes.back().pictures;
    shapes.pop_back();
    shapes.back().pictures += pictures;
  }
  return shapes;
}

// The longest texts of one way to make pictures: with guidance the mean of both branches'.
struct Longest {
  int64_t positive = 0, negative = 0, texts = 0;

  void add(const Lengths& lengths, const Sample& sample, const Recipe& recipe) {
    if (++texts > kMostTexts) return;
    positive = std::max(positive, lengths.seen(positive_prompt(sample, recipe)));
    if (recipe.guidance.on())
      negative = std::max(negative, lengths.seen(negative_prompt(sample, recipe)));
  }
  int64_t mean() const { return negative > 0 ? (positive + negative + 1) / 2 : positive; }
};

struct Way {
  Recipe recipe;
  Shape shape;
  Longest texts;
};

std::vector<Shape> shapes_of(const Inputs& inputs, const Lengths& lengths) {
  const auto& facts = inputs.model();
  const auto scheduler = scheduler_config(inputs.repository());
  const auto samples = inputs.readable(kMostRows);
  const auto count = std::ssize(samples);
  std::vector<Way> known;
  for (const auto n : samples) {
    const auto sample = inputs.sample(n);
    const auto recipe = inputs.recipe(sample);
    auto found = std::find_if(known.begin(), known.end(),
                              [&](const Way& way) { return way.recipe == recipe; });
    if (found == known.end()) {
      const auto steps = inputs.denoises() ? schedule_for(scheduler, facts, recipe)->size() : 1;
      found = known.insert(known.end(), {recipe, shape_of(recipe, facts, steps), {}});
    }
    ++found->shape.pictures;
    found->texts.add(lengths, sample, recipe);
  }
  std::vector<Shape> shapes;
  for (auto& [recipe, shape, texts] : known) {
    shape.pictures = shape.pictures * inputs.sample_count() / count;
    shape.text_tokens = texts.mean();
    shapes.push_back(shape);
  }
  return in_order(std::move(shapes));
}

// A text is encoded once: each prompt, and each negative prompt of all.
double texts_per_picture(const Inputs& inputs) {
  const auto samples = inputs.readable(kMostRows);
  std::set<int64_t> rows;
  std::set<std::string> negatives;
  for (const auto n : samples) {
    const auto sample = inputs.sample(n);
    rows.insert(sample.row);
    if (inputs.recipe(sample).guidance.on())
      negatives.insert(inputs.row_of(sample).sampling.negative_prompt);
  }
  return static_cast<double>(rows.size() + negatives.size()) / static_cast<double>(samples.size());
}

}  // namespace

Workload workload_of(const Inputs& inputs, int64_t element_bytes) {
  const Lengths lengths(inputs);
  Workload work{.model = inputs.repository().family(),
                .shapes = shapes_of(inputs, lengths),
                .element_bytes = element_bytes};
  if (inputs.encodes()) {
    work.encoders = encoders_of(inputs, lengths, element_bytes);
    work.texts_per_picture = texts_per_picture(inputs);
  }
  if (inputs.denoises()) work.transformer = transformer_of(inputs, element_bytes);
  if (inputs.decodes())
    work.vae = vae_work(VaeConfig::read(inputs.repository().required("vae").config()),
                        decodes_in_tiles(inputs));
  work.embedding_bytes = work.shapes.front().branches *
                         lengths.padded(inputs.recipe(inputs.first_readable())) *
                         inputs.model().text_width * element_bytes;
  return work;
}

}  // namespace trireme
