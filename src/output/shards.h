// Shards: how the files of a job are parted, by arithmetic alone. A file has a position, from zero
// in this job, and an index, which names it; both grow together. A shard is the files whose index
// divided by shard_size is its number, so it is the same in any subset of rows. A portion is a
// part of a shard: what a replica takes at a time; portions depend on the job and its batch size,
// not on how many replicas there are.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace trireme {

struct Shard {
  std::int64_t number = 0;
  std::int64_t first = 0, end = 0;  // positions [first, end)

  std::int64_t size() const { return end - first; }
  bool operator==(const Shard&) const = default;
};

struct Portion {
  std::int64_t shard = 0;           // its place in Shards, not its number
  std::int64_t first = 0, end = 0;  // positions [first, end)

  std::int64_t size() const { return end - first; }
  bool operator==(const Portion&) const = default;
};

class Shards {
 public:
  // `index_of` a position, growing.
  Shards(std::int64_t files, std::int64_t shard_size,
         const std::function<std::int64_t(std::int64_t)>& index_of);

  std::int64_t size() const { return static_cast<std::int64_t>(shards_.size()); }
  std::int64_t files() const { return shards_.empty() ? 0 : shards_.back().end; }
  const Shard& operator[](std::int64_t place) const {
    return shards_[static_cast<std::size_t>(place)];
  }
  std::int64_t place_of(std::int64_t position) const;

 private:
  std::vector<Shard> shards_;
};

// Files that a portion holds at most: whole batches, as many as leave each of many replicas some to
// take, and no more than cost a moment when a replica dies.
std::int64_t portion_size(std::int64_t files, std::int64_t shard_size, std::int64_t batch_size);

// The parts of a shard, in order; the last one may be small.
std::vector<Portion> portions_of(const Shards& shards, std::int64_t place, std::int64_t size);

std::string shard_name(std::int64_t number);                             // "000042"
std::string portion_name(const Shards& shards, const Portion& portion);  // "000042.000064"

}  // namespace trireme
