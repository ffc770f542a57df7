#include "src/report/page_pictures.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>

#include "parallel/error.h"
#include "src/image/picture.h"
#include "src/output/tar.h"
#include "src/report/thumbnail.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBytes = 64 << 20;  // of one picture
constexpr std::size_t kMostLooked = 100'000;  // names in a folder without a manifest

bool is_picture(const fs::path& name) {
  const auto extension = name.extension();
  return extension == ".png" || extension == ".jpg" || extension == ".webp";
}

// The prompt of a `parameters` text, as the A1111 web UI reads it.
std::string prompt_of(const Picture& picture) {
  for (const auto& [key, text] : picture.texts) {
    if (key != "parameters") continue;
    const auto last = std::min(text.rfind("\nSteps: "), text.size());
    return text.substr(0, std::min(text.rfind("\nNegative prompt: ", last), last));
  }
  return "";
}

std::optional<PagePicture> small(std::string_view bytes, std::int64_t index, std::int64_t side) {
  try {
    const auto picture = decode_picture(bytes, std::to_string(index));
    return PagePicture{.index = index,
                       .prompt = prompt_of(picture),
                       .jpeg = thumbnail(picture, side),
                       .height = picture.size.height,
                       .width = picture.size.width};
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string bytes_of(const fs::path& file) {
  std::error_code none;
  if (fs::file_size(file, none) > kMostBytes || none) return "";
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

using Sheet = std::vector<PagePicture>;

void add(Sheet& sheet, std::optional<PagePicture> picture) {
  if (picture) sheet.push_back(std::move(*picture));
}

// Members stand in the order of samples, so the first ones are found soon.
void add_of_tar(Sheet& sheet, const fs::path& tar, std::size_t count, std::int64_t side) {
  try {
    TarReader reader(tar);
    while (count > 0) {
      const auto member = reader.next();
      if (!member) return;
      std::int64_t index = 0;
      std::from_chars(member->name.data(), member->name.data() + member->name.size(), index);
      if (!is_picture(member->name) || member->size > std::int64_t{kMostBytes}) continue;
      add(sheet, small(reader.bytes(), index, side));
      --count;
    }
  } catch (const Error&) {
    return;
  }
}

void add_of_shard(Sheet& sheet, const fs::path& output, const Manifest& shard, std::size_t count,
                  std::int64_t side) {
  if (!shard.file.empty()) return add_of_tar(sheet, output / shard.file, count, side);
  std::vector<const SampleRecord*> done;
  for (const auto& sample : shard.samples)
    if (sample.verdict == Verdict::kDone && is_picture(sample.file)) done.push_back(&sample);
  const auto taken = std::min(count, done.size());
  for (std::size_t at = 0; at < taken; ++at) {
    const auto& sample = *done[at * done.size() / taken];
    add(sheet, small(bytes_of(output / sample.file), sample.index, side));
  }
}

// Where no shard is sealed yet: eight-digit names at the top and one folder down.
Sheet of_files(const fs::path& output, const SheetOptions& options) {
  std::vector<fs::path> found;
  std::error_code none;
  for (fs::recursive_directory_iterator at(output, none), end;
       !none && at != end && found.size() < kMostLooked; at.increment(none)) {
    if (at.depth() > 0) at.disable_recursion_pending();
    const auto stem = at->path().stem().string();
    const bool digits = stem.size() == 8 && stem.find_first_not_of("0123456789") == stem.npos;
    if (digits && is_picture(at->path())) found.push_back(at->path());
  }
  std::sort(found.begin(), found.end());
  Sheet sheet;
  const auto taken = std::min(options.pictures, found.size());
  for (std::size_t at = 0; at < taken; ++at) {
    const auto& file = found[at * found.size() / taken];
    add(sheet, small(bytes_of(file), std::stoll(file.stem().string()), options.side));
  }
  return sheet;
}

}  // namespace

Sheet sheet_of(const fs::path& output, const std::vector<Manifest>& shards,
               const SheetOptions& options) {
  if (shards.empty()) return of_files(output, options);
  Sheet sheet;
  const auto taken = std::min(options.pictures, shards.size());
  for (std::size_t at = 0; at < taken; ++at) {
    const auto here = (at + 1) * options.pictures / taken - at * options.pictures / taken;
    add_of_shard(sheet, output, shards[at * shards.size() / taken], here, options.side);
  }
  return sheet;
}

}  // namespace trireme
