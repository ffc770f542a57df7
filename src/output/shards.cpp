#include "src/output/shards.h"

#include <fmt/format.h>

#include <algorithm>

namespace trireme {

Shards::Shards(std::int64_t files, std::int64_t shard_size,
               const std::function<std::int64_t(std::int64_t)>& index_of) {
  for (std::int64_t first = 0; first < files;) {
    const auto number = index_of(first) / shard_size;
    // Indices grow by one at least, so that the shard ends within its size.
    std::int64_t low = first + 1, high = std::min(files, first + shard_size);
    while (low < high) {
      const auto middle = low + (high - low) / 2;
      if (index_of(middle) / shard_size == number) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    shards_.push_back({number, first, low});
    first = low;
  }
}

std::int64_t Shards::place_of(std::int64_t position) const {
  const auto after = std::upper_bound(
      shards_.begin(), shards_.end(), position,
      [](std::int64_t wanted, const Shard& shard) { return wanted < shard.first; });
  return after - shards_.begin() - 1;
}

std::int64_t portion_size(std::int64_t files, std::int64_t shard_size, std::int64_t batch_size) {
  constexpr std::int64_t kPortionsOfAJob = 64, kMostBatches = 16;
  const auto batches =
      std::clamp<std::int64_t>(files / (batch_size * kPortionsOfAJob), 1, kMostBatches);
  return std::min(shard_size, batch_size * batches);
}

std::vector<Portion> portions_of(const Shards& shards, std::int64_t place, std::int64_t size) {
  std::vector<Portion> portions;
  const auto& shard = shards[place];
  for (auto first = shard.first; first < shard.end; first += size)
    portions.push_back({place, first, std::min(shard.end, first + size)});
  return portions;
}

std::string shard_name(std::int64_t number) {
  return fmt::format("{:06}", number);
}

std::string portion_name(const Shards& shards, const Portion& portion) {
  const auto& shard = shards[portion.shard];
  return fmt::format("{}.{:06}", shard_name(shard.number), portion.first - shard.first);
}

}  // namespace trireme
