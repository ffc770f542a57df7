#include "parallel/layers/streamed_attention.h"

#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "parallel/cpu.h"
#include "parallel/out_of_memory.h"

namespace trireme {
namespace {

constexpr int64_t kQueries = 64, kKeys = 512;  // of a tile of scores: 128 KiB, half of a small L2
constexpr int64_t kFewestKeys = 128;
constexpr float kLog2E = 1.44269504F;

// Sixteen numbers at once: the compiler makes of it what the CPU has, and every CPU adds in one
// order.
constexpr int64_t kLanes = 16;
using Lanes = float __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
using Bits = int32_t __attribute__((vector_size(4 * kLanes)));

TRIREME_EACH_CPU float largest(const float* scores, int64_t n) {
  Lanes most = *reinterpret_cast<const Lanes*>(scores);
  for (int64_t i = kLanes; i < n; i += kLanes) {
    const Lanes next = *reinterpret_cast<const Lanes*>(scores + i);
    most = most < next ? next : most;
  }
  float one = most[0];
  for (int64_t lane = 1; lane < kLanes; ++lane) one = std::max(one, most[lane]);
  return one;
}

// scores[i] <- 2^(scores[i] x factor - most); returns their sum. 2^x to 2 units in the last place:
// a polynomial for the fraction (minimax on [-1/2, 1/2]), the exponent's bits for the rest.
TRIREME_EACH_CPU float exponentiate(float* scores, int64_t n, float factor, float most) {
  constexpr float kRounds = 12582912;  // 1.5 x 2^23: what is added to it loses its fraction
  constexpr float kLowest = -126;
  Lanes sum = Lanes{};
  for (int64_t i = 0; i < n; i += kLanes) {
    auto& at = *reinterpret_cast<Lanes*>(scores + i);
    Lanes x = at * factor - most;
    x = x < kLowest ? Lanes{} + kLowest : x;
    const Lanes whole = (x + kRounds) - kRounds;
    const Lanes f = x - whole;
    Lanes p = f * 1.535336188e-4F + 1.339887440e-3F;
    p = p * f + 9.618437357e-3F;
    p = p * f + 5.550332548e-2F;
    p = p * f + 2.402264791e-1F;
    p = p * f + 6.931472028e-1F;
    p = p * f + 1.0F;
    const auto exponent = __builtin_convertvector(whole, Bits) << 23;
    at = reinterpret_cast<Lanes>(reinterpret_cast<Bits>(p) + exponent);
    sum += at;
  }
  float total = 0;
  for (int64_t lane = 0; lane < kLanes; ++lane) total += sum[lane];
  return total;
}

TRIREME_EACH_CPU void multiply(float* x, int64_t n, float factor) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

TRIREME_EACH_CPU void round_to(const float* from, at::BFloat16* to, int64_t n) {
  auto* bits = reinterpret_cast<uint16_t*>(to);
  for (int64_t i = 0; i < n; ++i) {  // to the nearest, halves to even; never NaN here
    const auto word = std::bit_cast<uint32_t>(from[i]);
    bits[i] = static_cast<uint16_t>((word + 0x7FFF + (word >> 16 & 1)) >> 16);
  }
}

// How oneDNN takes the right side of a product: rows of float32; of bfloat16, two rows between each
// other, so that a pair that meets stands together.
template <typename T>
constexpr int64_t kPair = 4 / sizeof(T);

// Keys and values of one head, tile by tile.
template <typename T>
class Packed {
 public:
  Packed(int64_t keys, int64_t dim)
      : dim_(dim), tiles_((keys + kKeys - 1) / kKeys), k_(tiles_ * kKeys * dim), v_(k_.size()) {}

  void fill(const at::Tensor& k, const at::Tensor& v) {  // [keys, dim], rows contiguous
    const auto keys = k.size(0);
    for (int64_t tile = 0; tile < tiles_; ++tile) {
      const auto first = tile * kKeys, n = std::min(kKeys, keys - first);
      transpose(k.const_data_ptr<T>() + first * k.stride(0), k.stride(0), n, k_at(tile));
      interleave(v.const_data_ptr<T>() + first * v.stride(0), v.stride(0), n, v_at(tile));
    }
  }
  T* k_at(int64_t tile) { return k_.data() + tile * kKeys * dim_; }
  T* v_at(int64_t tile) { return v_.data() + tile * kKeys * dim_; }

 private:
  // [n, dim] -> [dim / pair, kKeys, pair]: in words of four bytes a plain transpose.
  void transpose(const T* from, int64_t stride, int64_t n, T* to) const {
    constexpr auto pair = kPair<T>;
    for (int64_t key = 0; key < n; ++key)
      for (int64_t d = 0; d < dim_; d += pair)
        std::copy_n(from + key * stride + d, pair, to + (d / pair * kKeys + key) * pair);
  }
  // [n, dim] -> [n / pair, dim, pair]; the last row of an odd n stands beside zeros.
  void interleave(const T* from, int64_t stride, int64_t n, T* to) const {
    constexpr auto pair = kPair<T>;
    for (int64_t key = 0; key < n; ++key)
      for (int64_t d = 0; d < dim_; ++d)
        to[(key / pair * dim_ + d) * pair + key % pair] = from[key * stride + d];
  }

  int64_t dim_, tiles_;
  std::vector<T> k_, v_;
};

// One tile of queries against all keys.
template <typename T>
class QueryTile {
 public:
  QueryTile(int64_t dim, double scale)
      : dim_(dim),
        factor_(static_cast<float>(scale) * kLog2E),
        scores_(kQueries * kKeys),
        weights_(sizeof(T) == sizeof(float) ? 0 : kQueries * kKeys) {}

  // q [rows, dim] with rows q_stride apart -> out [rows, dim], log_sum [rows]
  void attend(const T* q, int64_t q_stride, int64_t rows, int64_t keys, Packed<T>& packed,
              float* out, float* log_sum) {
    most_.assign(rows, -std::numeric_limits<float>::infinity());
    sum_.assign(rows, 0);
    for (int64_t first = 0; first < keys; first += kKeys) {
      const auto n = std::min(kKeys, keys - first), tile = first / kKeys;
      at::native::cpublas::brgemm(rows, n, dim_, q_stride, kKeys, kKeys, false, q,
                                  packed.k_at(tile), scores_.data(), kPair<T> > 1);
      for (int64_t row = 0; row < rows; ++row) weigh(row, n, first > 0, out + row * dim_);
      const auto even = (n + kPair<T> - 1) / kPair<T> * kPair<T>;
      at::native::cpublas::brgemm(rows, dim_, even, kKeys, dim_, dim_, first > 0, weights(),
                                  packed.v_at(tile), out, kPair<T> > 1);
    }
    for (int64_t row = 0; row < rows; ++row) {
      multiply(out + row * dim_, dim_, 1 / sum_[row]);
      log_sum[row] = (most_[row] + std::log2(sum_[row])) / kLog2E;
    }
  }

 private:
  // Scores of one query become weights; what was summed with an older maximum shrinks.
  void weigh(int64_t row, int64_t n, bool again, float* out) {
    float* scores = scores_.data() + row * kKeys;
    const auto whole = (n + kLanes - 1) / kLanes * kLanes;
    std::fill(scores + n, scores + whole, -std::numeric_limits<float>::infinity());
    const float most = std::max(most_[row], largest(scores, whole) * factor_);
    const float shrink = std::exp2(most_[row] - most);
    if (again && shrink != 1) multiply(out, dim_, shrink);
    sum_[row] = sum_[row] * shrink + exponentiate(scores, whole, factor_, most);
    most_[row] = most;
    if constexpr (kPair < T >> 1) {
      if (n % 2 != 0) scores[n] = 0;
      round_to(scores, weights_.data() + row * kKeys, n + n % 2);
    }
  }

  const T* weights() const {
    if constexpr (kPair < T >> 1) {
      return weights_.data();
    } else {
      return scores_.data();
    }
  }

  int64_t dim_;
  float factor_;
  std::vector<float> scores_;  // [kQueries, kKeys]
  std::vector<T> weights_;     // the same as T, where that is another type
  std::vector<float> most_, sum_;
};

template <typename T>
AttentionPart attention_of(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                           double scale) {
  const auto batch = q.size(0), heads = q.size(1), queries = q.size(2), dim = q.size(3);
  const auto keys = k.size(2), tiles = (queries + kQueries - 1) / kQueries;
  AttentionPart part{at::empty({batch, heads, queries, dim}, q.options().dtype(at::kFloat)),
                     at::empty({batch, heads, queries}, q.options().dtype(at::kFloat))};
  auto* out = part.out.data_ptr<float>();
  auto* log_sum = part.log_sum.data_ptr<float>();
  std::vector<Packed<T>> packed(batch * heads, Packed<T>(keys, dim));
  at::parallel_for(0, batch * heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      packed[i].fill(k[i / heads][i % heads], v[i / heads][i % heads]);
  });
  require_memory_for_kernels();
  at::parallel_for(0, batch * heads * tiles, 1, [&](int64_t begin, int64_t end) {
    QueryTile<T> tile(dim, scale);
    for (int64_t i = begin; i < end; ++i) {
      const auto head = i / tiles, first = i % tiles * kQueries;
      const auto rows = std::min(kQueries, queries - first), row = head * queries + first;
      const auto* from = q.const_data_ptr<T>() + head / heads * q.stride(0) +
                         head % heads * q.stride(1) + first * q.stride(2);
      tile.attend(from, q.stride(2), rows, keys, packed[head], out + row * dim, log_sum + row);
    }
    at::native::cpublas::brgemm_release(kPair<T> > 1);
  });
  return part;
}

at::Tensor with_contiguous_rows(const at::Tensor& x) {
  return x.stride(3) == 1 ? x : x.contiguous();
}

}  // namespace

bool streams(const at::Tensor& q, const at::Tensor& k) {
  const auto type = q.scalar_type();
  const bool known = type == at::kFloat || (type == at::kBFloat16 && multiplies_bfloat16());
  return q.is_cpu() && known && k.size(2) >= kFewestKeys && q.size(3) % 16 == 0 &&
         has_fast_products();
}

AttentionPart streamed_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                 double scale) {
  const auto of = q.scalar_type() == at::kFloat ? attention_of<float> : attention_of<at::BFloat16>;
  return of(with_contiguous_rows(q), with_contiguous_rows(k), with_contiguous_rows(v), scale);
}

}  // namespace trireme
