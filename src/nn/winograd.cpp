#include "src/nn/winograd.h"

#include <ATen/Parallel.h>
#include <ATen/native/CPUBlas.h>

#include <algorithm>
#include <array>
#include <vector>

#include "parallel/cpu.h"
#include "parallel/out_of_memory.h"

namespace trireme {
namespace {

constexpr int64_t kOut = 2;                           // outputs of a tile, along a side
constexpr int64_t kFewChannels = 32;                  // below, a direct convolution is faster
constexpr int64_t kChunk = 64;                        // channels summed before they join the others
constexpr int64_t kOutBlock = 128, kTileBlock = 256;  // of one product: 128 KiB
constexpr int64_t kStripFloats = 4 << 20;  // of tiles and products: they stay in the cache

// One dimension of y_i = sum_j g_j x_(i+j), two outputs from four inputs.
struct Plain {
  static constexpr int64_t kTaps = 4, kStride = 2;
  using Row = std::array<float, kTaps>;
  static Row analyse(const Row& d) { return {d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]}; }
  static std::array<float, kOut> synthesise(const Row& m) {
    return {m[0] + m[1] + m[2], m[1] - m[2] - m[3]};
  }
  static at::Tensor filters(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
    return at::stack({a, (a + b + c) / 2, (a - b + c) / 2, c});
  }
};

// The same where each input is there twice: the two outputs between it and its neighbours.
struct Upsampled {
  static constexpr int64_t kTaps = 3, kStride = 1;
  using Row = std::array<float, kTaps>;
  static Row analyse(const Row& d) { return {d[0] - d[1], d[1], d[2] - d[1]}; }
  static std::array<float, kOut> synthesise(const Row& m) { return {m[0] + m[1], m[1] + m[2]}; }
  static at::Tensor filters(const at::Tensor& a, const at::Tensor& b, const at::Tensor& c) {
    return at::stack({a, a + b + c, c});
  }
};

// One image [channels, height, width] and the rows of tiles that are worked on together.
template <class F>
struct Tiling {
  int64_t height, width;  // of the input
  int64_t rows = (height + F::kStride - 1) / F::kStride;
  int64_t columns = (width + F::kStride - 1) / F::kStride;
  // Of the input with its zeros, up to the last tile's end.
  int64_t padded_width() const { return (columns - 1) * F::kStride + F::kTaps; }
  int64_t out_height() const { return F::kStride == 1 ? kOut * height : height; }
  int64_t out_width() const { return F::kStride == 1 ? kOut * width : width; }
};

struct Strip {
  int64_t first_row;
  int64_t rows;
};

// The sums of one channel's tiles; the sums numbered s begin at tiles + s * sum_stride.
template <class F>
void analyse_channel(const float* image, const Tiling<F>& t, Strip strip, float* tiles,
                     int64_t sum_stride) {
  const std::vector<float> zeros(t.width);
  std::vector<float> sums(F::kTaps * t.padded_width());  // of columns; zeros left and right
  for (int64_t row = 0; row < strip.rows; ++row) {
    std::array<const float*, F::kTaps> d;
    for (int64_t i = 0; i < F::kTaps; ++i) {
      const auto y = (strip.first_row + row) * F::kStride + i - 1;
      d[i] = y >= 0 && y < t.height ? image + y * t.width : zeros.data();
    }
    for (int64_t x = 0; x < t.width; ++x) {
      typename F::Row column;
      for (int64_t i = 0; i < F::kTaps; ++i) column[i] = d[i][x];
      column = F::analyse(column);
      for (int64_t i = 0; i < F::kTaps; ++i) sums[i * t.padded_width() + x + 1] = column[i];
    }
    for (int64_t i = 0; i < F::kTaps; ++i) {
      const float* s = sums.data() + i * t.padded_width();
      float* out = tiles + i * F::kTaps * sum_stride + row * t.columns;
      for (int64_t x = 0; x < t.columns; ++x) {
        typename F::Row across;
        for (int64_t j = 0; j < F::kTaps; ++j) across[j] = s[x * F::kStride + j];
        across = F::analyse(across);
        for (int64_t j = 0; j < F::kTaps; ++j) out[j * sum_stride + x] = across[j];
      }
    }
  }
}

// One channel's outputs from its products, numbered as the sums are.
template <class F>
void synthesise_channel(const float* products, int64_t product_stride, const Tiling<F>& t,
                        Strip strip, float bias, float* image) {
  std::vector<float> rows(kOut * kOut * t.columns);
  for (int64_t row = 0; row < strip.rows; ++row) {
    const float* m = products + row * t.columns;
    float* even = rows.data();
    float* odd = even + kOut * t.columns;
    for (int64_t x = 0; x < t.columns; ++x) {
      typename F::Row top, bottom;
      for (int64_t j = 0; j < F::kTaps; ++j) {
        typename F::Row column;
        for (int64_t i = 0; i < F::kTaps; ++i)
          column[i] = m[(i * F::kTaps + j) * product_stride + x];
        const auto y = F::synthesise(column);
        top[j] = y[0];
        bottom[j] = y[1];
      }
      const auto a = F::synthesise(top), b = F::synthesise(bottom);
      even[kOut * x] = a[0] + bias;
      even[kOut * x + 1] = a[1] + bias;
      odd[kOut * x] = b[0] + bias;
      odd[kOut * x + 1] = b[1] + bias;
    }
    for (int64_t i = 0; i < kOut; ++i) {
      const auto y = (strip.first_row + row) * kOut + i;
      if (y < t.out_height())
        std::copy_n(rows.data() + i * kOut * t.columns, t.out_width(), image + y * t.out_width());
    }
  }
}

// products [n, out, tiles] = filters [n, out, in] x held [n, in, tiles]. Sums of short sums round
// less than one long sum, about as little as a direct convolution.
void multiply_by_blas(at::Tensor& products, const at::Tensor& filters, const at::Tensor& held) {
  const auto in = filters.size(2);
  for (int64_t first = 0; first < in; first += kChunk) {
    const auto channels = std::min(kChunk, in - first);
    const auto a = filters.narrow(2, first, channels), b = held.narrow(1, first, channels);
    if (first == 0)
      at::bmm_out(products, a, b);
    else
      products.baddbmm_(a, b);
  }
}

// The same by oneDNN's small kernels, block by block.
void multiply(at::Tensor& products, const at::Tensor& filters, const at::Tensor& held) {
  if (!has_fast_products()) return multiply_by_blas(products, filters, held);
  const auto n = filters.size(0), out = filters.size(1), in = filters.size(2);
  const auto tiles = held.size(2), blocks = (tiles + kTileBlock - 1) / kTileBlock;
  const auto* a = filters.const_data_ptr<float>();
  const auto* b = held.const_data_ptr<float>();
  auto* c = products.mutable_data_ptr<float>();
  require_memory_for_kernels();
  at::parallel_for(0, n * blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto number = i / blocks, first = i % blocks * kTileBlock;
      const auto columns = std::min(kTileBlock, tiles - first);
      for (int64_t row = 0; row < out; row += kOutBlock) {
        for (int64_t k = 0; k < in; k += kChunk) {
          at::native::cpublas::brgemm(
              std::min(kOutBlock, out - row), columns, std::min(kChunk, in - k), in, tiles, tiles,
              k > 0, a + (number * out + row) * in + k, b + (number * in + k) * tiles + first,
              c + (number * out + row) * tiles + first, /*is_vnni=*/false);
        }
      }
    }
    at::native::cpublas::brgemm_release(/*is_vnni=*/false);
  });
}

template <class F>
void convolve_image(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias,
                    const at::Tensor& y) {
  constexpr auto kProducts = F::kTaps * F::kTaps;
  const int64_t in = x.size(0), out = y.size(0);
  const Tiling<F> t{.height = x.size(1), .width = x.size(2)};
  const auto strip_rows =
      std::clamp<int64_t>(kStripFloats / (kProducts * (in + out) * t.columns), 1, t.rows);
  const auto buffer = at::empty({kProducts * (in + out) * strip_rows * t.columns}, x.options());

  for (int64_t first = 0; first < t.rows; first += strip_rows) {
    const Strip strip{first, std::min(strip_rows, t.rows - first)};
    const auto tiles = strip.rows * t.columns;
    const at::Tensor held =
        buffer.narrow(0, 0, kProducts * in * tiles).view({kProducts, in, tiles});
    at::Tensor products =
        buffer.narrow(0, held.numel(), kProducts * out * tiles).view({kProducts, out, tiles});
    at::parallel_for(0, in, 1, [&](int64_t begin, int64_t end) {
      for (auto c = begin; c < end; ++c)
        analyse_channel<F>(x.const_data_ptr<float>() + c * t.height * t.width, t, strip,
                           held.mutable_data_ptr<float>() + c * tiles, in * tiles);
    });
    multiply(products, filters, held);
    at::parallel_for(0, out, 1, [&](int64_t begin, int64_t end) {
      for (auto c = begin; c < end; ++c)
        synthesise_channel<F>(products.const_data_ptr<float>() + c * tiles, out * tiles, t, strip,
                              bias.const_data_ptr<float>()[c],
                              y.mutable_data_ptr<float>() + c * t.out_height() * t.out_width());
    });
  }
}

template <class F>
at::Tensor convolve(const at::Tensor& images, const at::Tensor& filters, const at::Tensor& bias) {
  const auto x = images.contiguous();
  const Tiling<F> t{.height = x.size(2), .width = x.size(3)};
  auto y = at::empty({x.size(0), filters.size(1), t.out_height(), t.out_width()}, x.options());
  for (int64_t i = 0; i < x.size(0); ++i) convolve_image<F>(x[i], filters, bias, y[i]);
  return y;
}

// [out, in, 3, 3] -> [taps^2, out, in], in double: it is done once.
template <class F>
at::Tensor filters(const at::Tensor& weight) {
  const auto rows = weight.to(at::kDouble).unbind(2);
  const auto down = F::filters(rows[0], rows[1], rows[2]).unbind(-1);  // [taps, out, in] each
  const auto both = F::filters(down[0], down[1], down[2]);             // [taps, taps, out, in]
  return both.transpose(0, 1).flatten(0, 1).to(at::kFloat).contiguous();
}

}  // namespace

bool winograd_pays(const at::Tensor& weight) {
  return weight.is_cpu() && weight.scalar_type() == at::kFloat &&
         std::min(weight.size(0), weight.size(1)) >= kFewChannels;
}

at::Tensor winograd_filters(const at::Tensor& weight) {
  return filters<Plain>(weight);
}

at::Tensor winograd_conv(const at::Tensor& x, const at::Tensor& filters, const at::Tensor& bias) {
  return convolve<Plain>(x, filters, bias);
}

at::Tensor winograd_upsample_filters(const at::Tensor& weight) {
  return filters<Upsampled>(weight);
}

at::Tensor winograd_upsample_conv(const at::Tensor& x, const at::Tensor& filters,
                                  const at::Tensor& bias) {
  return convolve<Upsampled>(x, filters, bias);
}

}  // namespace trireme
