#include "parallel/plan/effort.h"

#include <algorithm>
#include <array>

#include "parallel/flops.h"

namespace trireme {
namespace {

// Pieces of work that the host launches one by one, counted in trireme's blocks (eager PyTorch has
// about twice as many, and Python between them; its `launch` is fitted to that). A product has
// element-wise work before and behind it.
constexpr double kOfProduct = 3, kOfAttention = 1, kOfSum = 1, kOfTrade = 2, kOfPass = 4;
// Of the element-wise work of a block, the part on columns that the tensor axis divides.
constexpr double kDivided = 0.5;
// Times that merging two parts of an attention reads or writes its float32 result.
constexpr double kOfMerge = 5;

double real(int64_t n) {
  return static_cast<double>(n);
}

// Coordinate::share without making the whole split.
int64_t share(int64_t n, int64_t unit, const Coordinate& c) {
  const auto units = n / unit;
  return (units / c.ranks + (c.rank < units % c.ranks ? 1 : 0)) * unit;
}

// MeshCoordinates::queries likewise: where the next Ulysses group begins, less where this one does.
int64_t queries(int64_t n, const MeshCoordinates& at) {
  const int64_t ranks = at.sequence().ranks, group = at.ulysses.ranks;
  const auto begin = [&](int64_t rank) { return rank * (n / ranks) + std::min(rank, n % ranks); };
  return begin((at.ring.rank + 1) * group) - begin(at.ring.rank * group);
}

int64_t rows_of(Rows rows, const Setting& p) {
  switch (rows) {
    case Rows::kImage:
      return p.rows * share(p.image_tokens, 1, p.at.sequence());
    case Rows::kText:
      return p.rows * share(p.text_tokens, 1, p.at.sequence());
    case Rows::kAllImage:
      return p.rows * p.image_tokens;
    case Rows::kAllText:
      return p.rows * p.text_tokens;
    case Rows::kSamples:
      return p.rows;
    case Rows::kSteps:
      return p.steps;
    case Rows::kStepSamples:
      return p.steps * p.rows;
  }
  return 0;
}

// seconds = FLOPs / (rate x rows / (rows + half_rows)), or what its matrix, rows and results take
// to be read and written, if that is longer.
void add_product(Effort& effort, const Product& product, const Setting& p) {
  const auto rows = rows_of(product.rows, p);
  const auto in =
      product.cut == Cut::kIn ? share(product.in, product.unit, p.at.tensor) : product.in;
  const auto out =
      product.parts *
      (product.cut == Cut::kOut ? share(product.out, product.unit, p.at.tensor) : product.out);
  const auto flops = linear_flops(rows, in, out);
  const double few = real(rows) / (real(rows) + p.rates.half_rows);
  const double computing = rows > 0 ? real(flops) / (p.rates.matmul * few) : 0;
  const auto storage =
      product.quantizes ? p.storage : (p.element_bytes == 4 ? Storage::kFloat32 : Storage::kHalf);
  const double bytes =
      bytes_of(storage) * real(in * out) + real(rows * (in + out) * p.element_bytes);
  effort.flops += flops;
  effort.products += computing;
  effort.weights += std::max(bytes / p.rates.copy - computing, 0.0);
  effort.launches += kOfProduct * p.rates.launch;
  if (p.tensor.alone()) return;
  const double n = p.tensor.ranks(), result = real(rows * p.element_bytes);
  if (product.cut == Cut::kIn) {
    const double bytes_sent = 2 * (n - 1) / n * result * real(out);
    effort.sums += p.tensor.reduce_or_gather(bytes_sent);
    effort.sent.all_reduce += bytes_sent;
    effort.launches += kOfSum * p.rates.launch;
  } else if (product.gathers) {
    const double bytes_sent = (n - 1) * result * real(out);
    effort.gathers += p.tensor.reduce_or_gather(bytes_sent);
    effort.sent.all_gather += bytes_sent;
    effort.launches += kOfSum * p.rates.launch;
  }
}

// What a rank asks and is asked about in one attention, of one row.
struct Asked {
  int64_t queries = 0, keys = 0;        // of all that its Ulysses group has, and of all ranks
  int64_t my_queries = 0, my_keys = 0;  // tokens of this rank
  bool spread = true;                   // keys are spread over the sequence axis
};

Asked asked(const Attention& attention, const Setting& p) {
  const auto image = p.image_tokens, text = p.text_tokens;
  const auto mine = [&](int64_t n) { return share(n, 1, p.at.sequence()); };
  switch (attention.sees) {
    case Sees::kImage:
      return {queries(image, p.at), image, mine(image), mine(image)};
    case Sees::kJoint:
      return {queries(image, p.at) + queries(text, p.at), image + text, mine(image) + mine(text),
              mine(image) + mine(text)};
    case Sees::kImageAtJoint:
      return {queries(image, p.at), image + text, mine(image), mine(image) + mine(text)};
    case Sees::kImageAtText:
      return {mine(image), text, mine(image), text, /*spread=*/false};
    case Sees::kText:
      return {text, text, text, text, /*spread=*/false};
  }
  return {};
}

// All-to-all of queries, keys, values and the result: of what a rank has, it keeps 1/n.
void add_trades(Effort& effort, const Asked& a, double channels, const Setting& p) {
  if (p.ulysses.alone()) return;
  const double n = p.ulysses.ranks();
  for (const auto tokens : {a.my_queries, a.my_keys, a.my_keys, a.my_queries}) {
    const double bytes = (n - 1) / n * real(p.rows * tokens) * channels * real(p.element_bytes);
    effort.trades += p.ulysses.all_to_all(bytes);
    effort.sent.all_to_all += bytes;
    effort.launches += kOfTrade * p.rates.launch;
  }
}

// Keys and values go round while the rank works on those that it has: a step takes as long as the
// longer of the two, the first attention part comes before and nothing behind.
void add_ring(Effort& effort, const Asked& a, double channels, double computing, const Setting& p) {
  if (p.ring.alone()) return;
  const double steps = p.ring.ranks() - 1;
  const double bytes =
      2 * real(p.rows * a.keys) / p.ring.ranks() * channels * real(p.element_bytes);
  const double passing = p.ring.pass_on(bytes), part = computing / p.ring.ranks();
  effort.passing += steps * passing;
  effort.unhidden += steps * (side_by_side(part, passing, p.ring.hidden()) - part);
  effort.sent.send += steps * bytes;
  effort.launches += steps * kOfPass * p.rates.launch;
  effort.element_wise +=
      steps * kOfMerge * kFloatBytes * real(p.rows * a.queries) * channels / p.rates.copy;
}

// Compressed keys and values are few: every rank of a sequence takes them all, and asks with its
// own tokens.
void add_compressed(Effort& effort, const Attention& attention, int64_t channels,
                    const Setting& p) {
  const auto mine = share(p.image_tokens, 1, p.at.sequence());
  const auto keys = p.image_tokens / attention.tokens_per_key;
  const auto kept = keys / p.at.sequence().ranks;
  const auto flops = p.rows * (conv_flops(2 * kept, 1, channels, 1) * attention.tokens_per_key +
                               attention_flops(mine, keys, channels));
  effort.flops += flops;
  effort.attention += real(flops) / attention_rate(p.rates, attention.head_dim, keys);
  effort.launches += kOfAttention * p.rates.launch;
  if (p.sequence.alone()) return;
  const double bytes =
      (p.sequence.ranks() - 1) * (2 * real(p.rows * kept * channels) * real(p.element_bytes));
  effort.gathers += p.sequence.reduce_or_gather(bytes);
  effort.sent.all_gather += bytes;
}

void add_attention(Effort& effort, const Attention& attention, const Setting& p) {
  const auto heads = share(attention.heads, 1, p.at.tensor);
  if (attention.tokens_per_key > 1)
    return add_compressed(effort, attention, heads * attention.head_dim, p);
  const auto a = asked(attention, p);
  const auto my_heads = a.spread ? share(heads, 1, p.at.ulysses) : heads;
  const auto channels = my_heads * attention.head_dim;
  const auto flops = p.rows * attention_flops(a.queries, a.keys, channels);
  const auto at_a_time = a.spread ? a.keys / p.ring.ranks() : a.keys;
  const double computing =
      real(flops) / attention_rate(p.rates, attention.head_dim, std::max<int64_t>(at_a_time, 1));
  effort.flops += flops;
  effort.attention += computing;
  effort.launches += kOfAttention * p.rates.launch;
  if (!a.spread) return;
  add_trades(effort, a, real(heads * attention.head_dim), p);
  add_ring(effort, a, real(channels), computing, p);
}

// `traffic` activations are read or written.
void add_element_wise(Effort& effort, const Setting& p) {
  const auto tokens = share(p.image_tokens, 1, p.at.sequence()) +
                      (p.text_travels ? share(p.text_tokens, 1, p.at.sequence()) : 0);
  const double activation = real(p.rows * tokens * p.width * p.element_bytes);
  const double divided = 1 - kDivided + kDivided / p.at.tensor.ranks;
  effort.element_wise += p.rates.traffic * divided * activation / p.rates.copy;
}

}  // namespace

double bytes_of(Storage storage) {
  switch (storage) {
    case Storage::kFloat32:
      return 4;
    case Storage::kHalf:
      return 2;
    case Storage::kInt8:
    case Storage::kFp8:
      return 1;
    case Storage::kNf4:
      return 0.5 + kFloatBytes / 64;  // a float32 scale for 64
    case Storage::kNf4Double:
      return 0.5 + 1.0 / 64;
  }
  return kFloatBytes;
}

// GPUs have kernels for heads of 32, 64, 96, 128 and so on: heads of 72 work as if they were 96.
double attention_rate(const Rates& rates, int64_t head_dim, int64_t keys) {
  const auto& known = rates.attention;
  const auto exact = known.find(head_dim);
  const bool padded = rates.host_to_device > 0 && exact == known.end();
  const auto worked = padded ? (head_dim + 31) / 32 * 32 : head_dim;
  const auto above = known.lower_bound(worked);
  double rate;
  if (above == known.end()) {
    rate = known.rbegin()->second;
  } else if (above->first == worked || above == known.begin()) {
    rate = above->second;
  } else {
    const auto below = std::prev(above);
    const double part = real(worked - below->first) / real(above->first - below->first);
    rate = below->second + part * (above->second - below->second);
  }
  return rate * real(head_dim) / real(worked) * real(keys) / (real(keys) + rates.half_keys);
}

Effort effort_once(const Layer& layer, const Setting& place) {
  Effort effort;
  for (const auto& product : layer.once) add_product(effort, product, place);
  finish(effort, place.rates);
  return effort;
}

Effort effort_every(const Layer& layer, const Setting& place) {
  Effort effort;
  for (const auto& product : layer.every) add_product(effort, product, place);
  for (const auto& attention : layer.attention) add_attention(effort, attention, place);
  if (!layer.attention.empty()) add_element_wise(effort, place);
  finish(effort, place.rates);
  return effort;
}

Effort effort_of_head(const Layer& last, const Setting& p) {
  auto effort = effort_every(last, p);
  if (p.sequence.alone() || last.every.empty()) return effort;
  const double bytes = (p.sequence.ranks() - 1) *
                       real(rows_of(Rows::kImage, p) * last.every.back().out * p.element_bytes);
  effort.gathers += p.sequence.reduce_or_gather(bytes);
  effort.sent.all_gather += bytes;
  return effort;
}

}  // namespace trireme
