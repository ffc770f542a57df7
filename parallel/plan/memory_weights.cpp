// How weights lie in memory.
#include <algorithm>

#include "parallel/cpu.h"
#include "parallel/plan/memory_parts.h"

namespace trireme {
namespace {

constexpr int64_t kFloat = 4, kDouble = 8;

// parallel/layers/nf4_codes.h
constexpr int64_t kNf4Block = 64, kScaleBlock = 256, kScaleValues = 256;

int64_t divided_up(int64_t n, int64_t by) {
  return (n + by - 1) / by;
}

// A rank's rectangle of a stored matrix [out, in].
struct Rectangle {
  int64_t out, in;
  Part rows, columns;

  int64_t numel() const { return rows.length * columns.length; }
};

Part part_of(int64_t n, int64_t unit, const Coordinate& at) {
  return Split(n / unit, at.ranks).scaled(unit)[at.rank];
}

Rectangle rectangle_of(const Product& p, const Coordinate& tensor) {
  const Part all_rows{0, p.out}, all_columns{0, p.in};
  return {p.out, p.in, p.cut == Cut::kOut ? part_of(p.out, p.unit, tensor) : all_rows,
          p.cut == Cut::kIn ? part_of(p.in, p.unit, tensor) : all_columns};
}

// A row keeps the scales of the blocks that it touches, which are those of the whole matrix.
int64_t nf4_bytes(const Rectangle& r, bool twice) {
  const bool aligned = r.in % kNf4Block == 0 && r.columns.begin % kNf4Block == 0;
  const auto latest = aligned ? 0 : kNf4Block - 1;  // where in its block a row may begin
  const auto per_row = r.columns.length == 0 ? 0 : (latest + r.columns.length - 1) / kNf4Block + 1;
  const auto scales = r.rows.length * per_row,
             codes = r.rows.length * divided_up(r.columns.length, 2);
  if (!twice) return codes + kFloat * scales;
  const auto blocks = divided_up(r.out * r.in, kNf4Block);
  return codes + scales + kFloat * (divided_up(blocks, kScaleBlock) + kScaleValues);
}

// What oneDNN makes of a float32 matrix of long rows with AVX-512: tiles of 64 x 16, the last ones
// filled up. Shorter rows stay as they are (seen in its log), and few rows are not given to it
// (parallel/layers/linear_map.h).
bool lies_in_tiles(int64_t rows, int64_t columns) {
  constexpr int64_t kLargestPackedBytes = 48 << 20, kLongRow = 384, kFewRows = 64;
  const auto bytes = rows * columns * kFloat;
  return rows > kFewRows && columns > kLongRow && bytes <= kLargestPackedBytes &&
         has_fast_products();
}

// Parts are one matrix. Sums that a tensor split cuts are rounded once where that is cheap.
int64_t plain_bytes(const Rectangle& r, const Product& p, int64_t element_bytes, bool on_cpu) {
  constexpr int64_t kTileRows = 64, kTileColumns = 16;
  const auto rows = p.parts * r.rows.length, columns = r.columns.length;
  if (widens(p, rows * columns, element_bytes, on_cpu)) return rows * columns * kDouble;
  if (!on_cpu || element_bytes != kFloat || !lies_in_tiles(rows, columns))
    return rows * columns * element_bytes;
  return divided_up(rows, kTileRows) * kTileRows * divided_up(columns, kTileColumns) *
         kTileColumns * element_bytes;
}

int64_t matrix_bytes(const Rectangle& r, const Product& p, Storage storage, int64_t element_bytes,
                     bool on_cpu) {
  const bool plain = storage == Storage::kFloat32 || storage == Storage::kHalf;
  if (plain || !p.quantizes) return plain_bytes(r, p, element_bytes, on_cpu);
  if (storage == Storage::kFp8) return p.parts * r.numel();
  if (storage == Storage::kInt8) return p.parts * (r.numel() + kFloat * r.rows.length);
  return p.parts * nf4_bytes(r, storage == Storage::kNf4Double);
}

// A table of rows that are looked up: with 8 bits a number, one scale a row.
int64_t vocab_bytes(const EncoderWork& encoder, const Hands& hands) {
  const auto rows = encoder.cuts_vocab ? hands.tensor.share(encoder.vocab) : encoder.vocab;
  const auto numbers = rows * encoder.width;
  const bool plain = hands.storage == Storage::kFloat32 || hands.storage == Storage::kHalf;
  if (plain || !encoder.quantizes_vocab) return numbers * hands.element;
  return hands.storage == Storage::kFp8 ? numbers : numbers + kFloat * rows;
}

}  // namespace

bool widens(const Product& p, int64_t elements, int64_t element_bytes, bool on_cpu) {
  constexpr int64_t kLargestWideWeight = 1 << 18;
  return p.cut == Cut::kIn && on_cpu && element_bytes == kFloat && elements < kLargestWideWeight;
}

int64_t weight_bytes(const Product& product, Storage storage, int64_t element_bytes,
                     const Coordinate& tensor, bool on_cpu) {
  const auto held = rectangle_of(product, tensor);
  const auto bias = product.bias ? held.rows.length * element_bytes : 0;
  return matrix_bytes(held, product, storage, element_bytes, on_cpu) + product.parts * bias;
}

int64_t weight_bytes(const Layer& layer, Storage storage, int64_t element_bytes,
                     const Coordinate& tensor, bool on_cpu) {
  int64_t bytes = layer.vector_elements * element_bytes;
  for (const auto* products : {&layer.once, &layer.every})
    for (const auto& product : *products)
      bytes += weight_bytes(product, storage, element_bytes, tensor, on_cpu);
  if (layer.cut_vectors == 0) return bytes;
  const auto& heads = layer.attention.front();
  return bytes + layer.cut_vectors * tensor.share(heads.heads) * heads.head_dim * element_bytes;
}

int64_t encoder_weights(const EncoderWork& encoder, const Hands& h) {
  const auto layer = weight_bytes(encoder.layer, h.storage, h.element, h.tensor, h.on_cpu);
  const auto rest = weight_bytes(encoder.rest, h.storage, h.element, h.tensor, h.on_cpu);
  const auto biases =
      encoder.buckets * h.tensor.share(encoder.layer.attention.front().heads) * h.element;
  return encoder.layers * layer + rest + biases + vocab_bytes(encoder, h);
}

int64_t transformer_weights(const Post& post) {
  const auto& work = *post.work.transformer;
  const auto at = coordinates_of(post.layout, post.rank);
  const auto bytes = [&](const Layer& layer) {
    return weight_bytes(layer, work.storage, post.element(), at.tensor, post.on_cpu);
  };
  const auto held = stages_of(post.layout.mesh, work.block_costs)[at.pipeline.rank];
  auto sum = bytes(work.every_stage);
  if (at.pipeline.first()) sum += bytes(work.first);
  for (auto i = held.begin; i < held.end(); ++i) sum += bytes(work.blocks[i]);
  if (at.pipeline.last()) sum += bytes(work.last);
  return sum;
}

// Filters of 4 x 4 products instead of 3 x 3 taps (src/nn/winograd.h), or four phases of 2 x 2 taps
// where the image is doubled.
int64_t vae_weights(const VaeWork& vae, int64_t element, bool on_cpu) {
  constexpr int64_t kWinograd = 16, kWinogradDoubling = 9, kPhases = 4, kTapsOfPhase = 4;
  int64_t elements = vae.norm_elements + 4 * (vae.attention_channels + 1) * vae.attention_channels;
  for (const auto& c : vae.convolutions) {
    const bool fast = is_winograd(c, element, on_cpu);
    const auto taps = fast ? (c.doubles ? kWinogradDoubling : kWinograd)
                           : (c.doubles ? kPhases * kTapsOfPhase : c.kernel * c.kernel);
    elements += taps * c.in * c.out + (c.doubles && !fast ? kPhases : 1) * c.out;
  }
  return elements * element;
}

bool is_winograd(const Convolution& c, int64_t element, bool on_cpu) {
  constexpr int64_t kFewChannels = 32;
  return on_cpu && element == kFloat && c.kernel == 3 && std::min(c.in, c.out) >= kFewChannels;
}

}  // namespace trireme
