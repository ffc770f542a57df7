// Pictures of an output folder for its contact sheet.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "src/output/manifest.h"
#include "src/report/html.h"

namespace trireme {

struct SheetOptions {
  std::size_t pictures = 48;
  std::int64_t side = 192;  // of thumbnails
};

// Of samples that are done, from all over these shards, by index; without a shard, of the files
// that are there. What cannot be decoded (latents, damage) is left out.
std::vector<PagePicture> sheet_of(const std::filesystem::path& output,
                                  const std::vector<Manifest>& shards, const SheetOptions& options);

}  // namespace trireme
