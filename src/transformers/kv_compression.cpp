#include "src/transformers/kv_compression.h"

#include <algorithm>
#include <vector>

namespace trireme {
namespace {

constexpr double kEps = 1e-5;
constexpr int64_t kTokens =
    2;  // dimension of keys and values together, [2, batch, tokens, channels]

}  // namespace

KvCompression::KvCompression(const Weights& w, KvSampling sampling, int64_t width, int64_t head_dim,
                             const Mesh& mesh)
    : sampling_(sampling), sequence_(mesh.sequence.all) {
  if (sampling.kind != KvSampling::Kind::kConv) return;
  const auto channels =
      Split(width / head_dim, mesh.tensor.size()).scaled(head_dim)[mesh.tensor.rank()];
  const auto conv = w / "sr";
  weight_ = conv.read("weight", {width, 1, sampling.factor, sampling.factor}, 0, channels);
  bias_ = conv.read("bias", {width}, 0, channels);
  norm_.emplace(w / "norm", mesh.tensor, width, head_dim, kEps);
}

KvCompression::KeysAndValues KvCompression::operator()(const at::Tensor& k, const at::Tensor& v,
                                                       const ImageTokens& tokens) const {
  const bool conv = sampling_.kind == KvSampling::Kind::kConv;
  const auto run = tokens.split[sequence_.rank()];
  auto both = gathered(conv ? convolved({k, v}, tokens, run) : picked({k, v}, tokens, run), tokens);
  if (conv) both = (*norm_)(both.add_(bias_));
  return {both[0], both[1]};
}

// What this rank's tokens contribute to the squares that they touch, without the bias: in rows that
// it holds in part, the rest is zero.
at::Tensor KvCompression::convolved(const KeysAndValues& held, const ImageTokens& tokens,
                                    Part run) const {
  const auto f = sampling_.factor, batch = held.k.size(0), channels = held.k.size(2);
  const auto columns = tokens.columns / f;  // of squares
  const auto touched = sampling_.touched(run, tokens.rows, tokens.columns);
  if (touched.length == 0 || channels == 0)
    return at::zeros({2, batch, touched.length, channels}, held.k.options());
  const auto rows = f * (touched.length / columns);
  const auto first = f * (touched.begin / columns) * tokens.columns;
  const auto end = std::min(run.end(), first + rows * tokens.columns);
  const auto padded = at::zeros({2, batch, rows * tokens.columns, channels}, held.k.options());
  const auto inside = padded.narrow(kTokens, run.begin - first, end - run.begin);
  inside[0].copy_(held.k.narrow(1, 0, end - run.begin));
  inside[1].copy_(held.v.narrow(1, 0, end - run.begin));
  const auto image = padded.view({2 * batch, rows, tokens.columns, channels}).permute({0, 3, 1, 2});
  return at::conv2d(image, weight_, std::optional<at::Tensor>(), at::IntArrayRef({f, f}),
                    at::IntArrayRef({0, 0}), at::IntArrayRef({1, 1}), channels)
      .permute({0, 2, 3, 1})
      .reshape({2, batch, touched.length, channels});
}

at::Tensor KvCompression::picked(const KeysAndValues& held, const ImageTokens& tokens,
                                 Part run) const {
  const auto f = sampling_.factor;
  const bool flat = sampling_.kind == KvSampling::Kind::kFlat;
  std::vector<int64_t> own;  // counted from the first of the run
  for (auto token = run.begin; token < run.end(); ++token) {
    const auto row = token / tokens.columns, column = token % tokens.columns;
    if (flat ? token % f == 0 : row % f == 0 && column % f == 0) own.push_back(token - run.begin);
  }
  const auto index = at::tensor(own, at::kLong).to(held.k.device());
  return at::stack({held.k.index_select(1, index), held.v.index_select(1, index)});
}

// Of each rank the tokens that it has touched, added where two have touched the same.
at::Tensor KvCompression::gathered(const at::Tensor& mine, const ImageTokens& tokens) const {
  if (sequence_.alone()) return mine;
  std::vector<Part> touched;
  std::vector<int64_t> lengths;
  for (int r = 0; r < sequence_.size(); ++r) {
    touched.push_back(sampling_.touched(tokens.split[r], tokens.rows, tokens.columns));
    lengths.push_back(touched.back().length);
  }
  const auto all = sequence_.all_gather(mine, kTokens, Split::of_lengths(lengths));
  const auto left = sampling_.left(tokens.rows, tokens.columns);
  if (all.size(kTokens) == left) return all;  // no square was cut
  auto sizes = all.sizes().vec();
  sizes[kTokens] = left;
  const auto sums = at::zeros(sizes, all.options().dtype(at::kFloat));
  const auto parts = all.split_with_sizes(lengths, kTokens);
  for (size_t r = 0; r < parts.size(); ++r)
    sums.narrow(kTokens, touched[r].begin, touched[r].length).add_(parts[r]);
  return sums.to(all.scalar_type());
}

}  // namespace trireme
