#include <ATen/ATen.h>

#include <cmath>
#include <optional>

#include "parallel/layers/attention.h"
#include "parallel/layers/streamed_attention.h"

namespace trireme {
namespace {

constexpr int64_t kHeads = 1, kTokens = 2;  // dimensions

AttentionPart attend_some(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
  if (streams(q, k))
    return streamed_attention(q, k, v, 1 / std::sqrt(static_cast<double>(q.size(3))));
  if (q.is_cpu()) {
    const auto [out, log_sum] = at::_scaled_dot_product_flash_attention_for_cpu(q, k, v);
    return {out.to(at::kFloat), log_sum.to(at::kFloat)};
  }
  const auto found = at::_scaled_dot_product_efficient_attention(q, k, v, std::nullopt,
                                                                 /*compute_log_sumexp=*/true);
  // Its rows are padded to whole tiles.
  return {std::get<0>(found).to(at::kFloat),
          std::get<1>(found).narrow(kTokens, 0, q.size(kTokens))};
}

AttentionPart merged(const AttentionPart& a, const AttentionPart& b) {
  const auto log_sum = at::logaddexp(a.log_sum, b.log_sum);
  const auto share = [&](const AttentionPart& part) {
    return part.out * (part.log_sum - log_sum).exp().unsqueeze(-1);
  };
  return {share(a) + share(b), log_sum};
}

// q stays, keys and values go round: lengths[r] tokens are those of rank r.
at::Tensor ring_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                          const Group& ring, const std::vector<int64_t>& lengths) {
  const int ranks = ring.size(), me = ring.rank();
  const int next = (me + 1) % ranks, previous = (me + ranks - 1) % ranks;
  auto travelling = at::stack({k, v});
  AttentionPart seen;
  for (int step = 0; step < ranks; ++step) {
    const int owner = (me + ranks - step) % ranks, coming = (owner + ranks - 1) % ranks;
    const bool more = step + 1 < ranks;
    std::optional<Pending> sent, received;
    if (more) {
      auto sizes = travelling.sizes().vec();
      sizes[kTokens + 1] = lengths[coming];
      sent.emplace(ring.start_send(travelling, next));
      received.emplace(ring.start_receive(at::empty({}, q.options()).expand(sizes), previous));
    }
    if (lengths[owner] > 0 && q.numel() > 0) {
      auto part = attend_some(q, travelling[0], travelling[1]);
      seen = seen.out.defined() ? merged(seen, part) : std::move(part);
    }
    if (more) {
      sent->wait();
      travelling = received->wait();
    }
  }
  return seen.out.defined() ? seen.out.to(q.scalar_type()) : at::zeros_like(q);
}

// What the ranks of one Ulysses group hold, of a split over the whole sequence group.
Split row_of(const Split& tokens, int ring_rank, int ulysses) {
  std::vector<int64_t> lengths;
  for (int i = 0; i < ulysses; ++i) lengths.push_back(tokens[ring_rank * ulysses + i].length);
  return Split::of_lengths(lengths);
}

}  // namespace

at::Tensor parallel_attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                              const Sequence& sequence, const Split& queries, const Split& keys) {
  const auto& [all, ulysses, ring] = sequence;
  if (all.alone()) return attend(q, k, v);
  const Split heads(q.size(kHeads), ulysses.size());
  const auto my_queries = row_of(queries, ring.rank(), ulysses.size());
  const auto my_keys = row_of(keys, ring.rank(), ulysses.size());
  const auto to_heads = [&](const at::Tensor& x, const Split& tokens) {
    return ulysses.all_to_all(x, kTokens, tokens, kHeads, heads);
  };
  std::vector<int64_t> lengths;
  for (int r = 0; r < ring.size(); ++r) lengths.push_back(row_of(keys, r, ulysses.size()).units());

  const auto seen_by = [&](const at::Tensor& q, const at::Tensor& k, const at::Tensor& v) {
    return ring.alone() ? attend(q, k, v) : ring_attention(q, k, v, ring, lengths);
  };
  const auto seen = seen_by(to_heads(q, my_queries), to_heads(k, my_keys), to_heads(v, my_keys));
  return ulysses.all_to_all(seen, kHeads, heads, kTokens, my_queries);
}

}  // namespace trireme
