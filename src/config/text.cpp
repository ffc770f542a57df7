#include "src/config/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <utf8proc.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>

namespace trireme {
namespace {

// Other names under which people look for a key or a value.
constexpr std::pair<std::string_view, std::string_view> kOtherNames[] = {
    {"steps", "num_inference_steps"},
    {"num_steps", "num_inference_steps"},
    {"cfg", "guidance_scale"},
    {"cfg_scale", "guidance_scale"},
    {"guidance", "guidance_scale"},
    {"generator", "seed"},
    {"negative", "negative_prompt"},
    {"text", "prompt"},
    {"caption", "prompt"},
    {"num_images", "num_images_per_prompt"},
    {"batch", "batch_size"},
    {"sequence_length", "max_sequence_length"},
    {"t5", "text_encoder_3"},
    {"unet", "transformer"},
    {"sampler", "scheduler"},
    {"name", "path"},
    {"data_parallel", "replicas"},
    {"tensor_parallel", "tensor"},
    {"tp", "tensor"},
    {"pp", "pipeline"},
    {"sp", "sequence"},
    {"dp", "replicas"},
    {"fp16", "float16"},
    {"half", "float16"},
    {"bf16", "bfloat16"},
    {"fp32", "float32"},
    {"gpu", "cuda"},
    {"jpg", "jpeg"},
    {"latent", "latents"},
    {"embeddings", "embeds"},
    {"tar", "webdataset"},
    {"wds", "webdataset"},
    {"skip", "quarantine"},
};

std::string folded(std::string_view word) {
  std::string out(word);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-' || c == ' ') c = '_';
  }
  return out;
}

// Edit distance in which a swap of neighbours counts as one.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::optional<std::string> nearest_by_distance(std::string_view word,
                                               const std::vector<std::string_view>& candidates) {
  size_t best = std::max<size_t>(1, std::min<size_t>(3, word.size() / 3)) + 1;
  std::optional<std::string> found;
  for (std::string_view candidate : candidates) {
    size_t d = distance(word, candidate);
    bool longer = found && d == best && candidate.size() > found->size();
    if (d < best || longer) {
      best = d;
      found = candidate;
    }
  }
  return found;
}

Error cannot_read(int error, const std::string& path, const std::string& place,
                  const std::string& what) {
  if (error == ENOENT || error == ENOTDIR) {
    return {Exit::kMissingInput,
            fmt::format("[{}] {} -> {} -> there is no such file", place, path, what)};
  }
  if (error == EACCES || error == EPERM) {
    return {Exit::kNoPermission,
            fmt::format("[{}] {} -> {} that may be read -> no permission", place, path, what)};
  }
  return {Exit::kInputOutput,
          fmt::format("[{}] {} -> {} -> {}", place, path, what, std::strerror(error))};
}

}  // namespace

std::string read_text(const std::string& path, const std::string& place, const std::string& what) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    throw Error(Exit::kMissingInput,
                fmt::format("[{}] {} -> {} -> it is a folder", place, path, what));
  }
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw cannot_read(errno, path, place, what);
  std::string text;
  std::vector<char> block(size_t{1} << 16);
  while (file.read(block.data(), static_cast<std::streamsize>(block.size())) || file.gcount() > 0) {
    text.append(block.data(), static_cast<size_t>(file.gcount()));
  }
  if (file.bad()) throw cannot_read(errno ? errno : EIO, path, place, what);
  return text;
}

std::optional<BadByte> find_bad_utf8(std::string_view text) {
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  for (size_t at = 0; at < text.size();) {
    if (bytes[at] < 0x80) {
      ++at;
      continue;
    }
    utf8proc_int32_t point = 0;
    // Four bytes are as long as a character gets; the call counts in a signed type.
    auto left = static_cast<utf8proc_ssize_t>(std::min<size_t>(text.size() - at, 4));
    utf8proc_ssize_t length = utf8proc_iterate(bytes + at, left, &point);
    if (length <= 0) return BadByte{at, fmt::format("byte 0x{:02x} is not UTF-8", bytes[at])};
    at += static_cast<size_t>(length);
  }
  return std::nullopt;
}

std::optional<BadByte> find_control(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') {
      return BadByte{at, fmt::format("control character 0x{:02x}", byte)};
    }
  }
  return std::nullopt;
}

std::string_view without_bom(std::string_view text) {
  return text.substr(0, 3) == "\xEF\xBB\xBF" ? text.substr(3) : text;
}

Mark mark_at(std::string_view text, size_t offset) {
  std::string_view head = text.substr(0, offset);
  auto line = std::count(head.begin(), head.end(), '\n');
  size_t start = head.rfind('\n');
  size_t column = start == std::string_view::npos ? head.size() : head.size() - start - 1;
  return {static_cast<int>(line), static_cast<int>(column)};
}

std::string shorten(std::string_view text, size_t limit) {
  bool cut = text.size() > limit;
  if (cut) {
    while (limit > 0 && (static_cast<unsigned char>(text[limit]) & 0xC0) == 0x80) --limit;
    text = text.substr(0, limit);
  }
  std::string out;
  for (char c : text) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return cut ? out + "..." : out;
}

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string_view>& candidates) {
  auto known = [&](std::string_view name) {
    return std::find(candidates.begin(), candidates.end(), name) != candidates.end();
  };
  if (word.size() > 64) return std::nullopt;
  std::string wanted = folded(word);
  if (known(wanted)) return wanted;
  for (auto [other, name] : kOtherNames) {
    if (wanted == other && known(name)) return std::string(name);
  }
  if (auto found = nearest_by_distance(wanted, candidates)) return found;
  for (std::string_view candidate : candidates) {
    bool holds = candidate.find(wanted) != std::string_view::npos ||
                 wanted.find(candidate) != std::string::npos;
    if (holds && std::min(wanted.size(), candidate.size()) >= 4) return std::string(candidate);
  }
  return std::nullopt;
}

std::string list_words(const std::vector<std::string_view>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace trireme
