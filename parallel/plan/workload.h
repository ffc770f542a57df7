// Workload: what a job asks of its models, as plain numbers. src fills it from config.json and the
// job (src/pipelines/workload.h); nothing is loaded for it. Everything is told of the whole model
// and says how it may be cut: what a rank has of it follows from its coordinates. A part of the way
// that the job does not go has no layers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace trireme {

// How the elements of a matrix are held. Vectors (biases, norms, tables) are never quantized.
enum class Storage { kFloat32, kHalf, kInt8, kNf4, kNf4Double, kFp8 };

// The rows that a product goes over, in one batch. What a rank of a sequence has: its share of the
// tokens, or all of them.
enum class Rows {
  kImage,        // the image tokens of all rows of latents, over the sequence axis
  kText,         // the text tokens of all rows, over the sequence axis
  kAllImage,     // the same, on every rank of a sequence
  kAllText,      // ...
  kSamples,      // a row for each sample and branch of guidance
  kSteps,        // a row for each step
  kStepSamples,  // a row for each of both
};

// What the tensor axis divides: nothing, the columns that come out (heads, hidden units), or those
// that go in, with a sum over the ranks behind.
enum class Cut { kNone, kOut, kIn };

// A linear layer, or `parts` of equal shape that are one product (queries, keys and values).
struct Product {
  int64_t in = 0;
  int64_t out = 0;  // of each part
  Rows rows = Rows::kImage;
  Cut cut = Cut::kNone;
  int64_t unit = 1;  // columns that stay together
  int64_t parts = 1;
  bool bias = true;
  bool gathers = false;   // every rank has all that comes out (Cut::kOut)
  bool quantizes = true;  // where its component is quantized

  bool operator==(const Product&) const = default;
};

// Who looks at whom in one softmax.
enum class Sees {
  kImage,         // image tokens at each other
  kJoint,         // image and text tokens at all
  kImageAtJoint,  // image tokens at all: the text ends here
  kImageAtText,   // image tokens at their text, which every rank holds
  kText,          // the tokens of a text encoder at each other
};

struct Attention {
  Sees sees = Sees::kImage;
  int64_t heads = 0;
  int64_t head_dim = 0;
  int64_t tokens_per_key = 1;  // above one where keys and values are compressed

  bool operator==(const Attention&) const = default;
};

// Layers that run together: a block, an embedding, a head.
struct Layer {
  std::vector<Product> once = {};   // when a batch begins: modulations, text keys
  std::vector<Product> every = {};  // at every evaluation
  std::vector<Attention> attention = {};
  int64_t vector_elements = 0;  // of norms and tables: whole on every rank, in the job's dtype
  int64_t cut_vectors = 0;      // as wide as all heads together, cut over the tensor axis as they

  bool operator==(const Layer&) const = default;
};

struct TransformerWork {
  int64_t width = 0;
  int64_t heads = 0;
  int64_t head_dim = 0;
  int64_t latent_channels = 0;
  int64_t patch_size = 2;
  bool text_travels = false;   // a text stream goes from stage to stage beside the image's
  bool skips_padding = false;  // text tokens are those of the text, not of the longest one
  Layer every_stage = {};      // what each stage repeats: the timestep's embedder
  Layer first = {};            // of the first stage: patches, positions
  Layer last = {};             // of the last one: the head
  std::vector<Layer> blocks = {};
  std::vector<double> block_costs = {};  // by which stages are cut (Split::by_cost)
  Storage storage = Storage::kFloat32;
};

struct EncoderWork {
  std::string name = {};  // diffusers' component
  int64_t tokens = 0;
  int64_t width = 0;
  int64_t vocab = 0;             // rows of its embedding
  bool cuts_vocab = false;       // ... over the tensor axis
  bool quantizes_vocab = false;  // where the encoder is quantized; never to less than 8 bits
  int64_t layers = 0;
  Layer layer = {};     // of each
  Layer rest = {};      // projections, positions, final norms: once a text
  bool gated = false;   // a feed-forward network with a gate (T5)
  int64_t buckets = 0;  // of relative positions, each with a bias for every head (T5)
  Storage storage = Storage::kFloat32;
};

// A convolution of the decoder, at `factor` pixels along a side for one of the latents.
struct Convolution {
  int64_t in = 0;
  int64_t out = 0;
  int64_t kernel = 3;
  int64_t factor = 1;
  bool doubles = false;  // the image's side, in one step with the up-sampling before it
};

struct VaeWork {
  int64_t latent_channels = 0;
  std::vector<int64_t> channels = {};  // by level, the image's own size first
  int64_t layers_per_block = 0;
  int64_t upscale = 1;  // pixels along a side for one of the latents
  std::vector<Convolution> convolutions = {};
  int64_t attention_channels = 0;  // of the middle; 0: none
  int64_t norm_elements = 0;       // of all group norms
  int64_t norms = 0;               // group norms, each a sum over the ranks of a patch
  bool tiles = false;              // large pictures are decoded in tiles by every rank
  int64_t tile_side = 0;           // latents along the side of a tile
};

// Pictures of one size and way.
struct Shape {
  int64_t pictures = 0;
  int64_t latent_height = 0;
  int64_t latent_width = 0;
  int64_t image_tokens = 0;
  int64_t text_tokens = 0;
  int64_t branches = 1;  // 2 with guidance
  int64_t steps = 1;     // evaluations of the denoiser

  bool operator==(const Shape&) const = default;
};

struct Workload {
  std::string model = {};
  std::vector<EncoderWork> encoders = {};
  std::optional<TransformerWork> transformer = {};
  std::optional<VaeWork> vae = {};
  std::vector<Shape> shapes = {};  // the most work first
  double texts_per_picture = 1;    // that must be encoded, a text being encoded once
  int64_t element_bytes = 4;       // of the job's dtype: activations
  int64_t embedding_bytes = 0;     // of one picture's text embeddings

  int64_t pictures() const;
};

}  // namespace trireme
