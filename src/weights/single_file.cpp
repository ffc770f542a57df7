#include "src/weights/single_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "parallel/error.h"
#include "src/weights/original_maps.h"
#include "src/weights/other_models.h"

namespace trireme {
namespace {

namespace fs = std::filesystem;
using Tensors = std::vector<StoredTensor>;

constexpr int64_t kClipLWidth = 768, kBigGWidth = 1280;

struct Prefix {
  std::string_view prefix;
  PartKind kind;
  std::string_view sign;  // a name behind it begins like this
};
constexpr std::array<Prefix, 6> kPrefixes = {{
    {"model.diffusion_model.", PartKind::kTransformer, "joint_blocks."},
    {"first_stage_model.", PartKind::kVae, "decoder.conv_in."},
    {"vae.", PartKind::kVae, "decoder.conv_in."},
    {"text_encoders.clip_l.transformer.", PartKind::kClipL, "text_model."},
    {"text_encoders.clip_g.transformer.", PartKind::kClipG, "text_model."},
    {"text_encoders.t5xxl.transformer.", PartKind::kT5, "encoder.block."},
}};
// Of parts that stand alone in their file.
constexpr std::array<Prefix, 5> kBare = {{
    {"", PartKind::kTransformer, "joint_blocks."},
    {"", PartKind::kVae, "decoder.conv_in."},
    {"", PartKind::kClipL, "text_model.encoder."},
    {"", PartKind::kClipG, "transformer.resblocks."},
    {"", PartKind::kT5, "encoder.block."},
}};

constexpr std::string_view kNeeded =
    "an SD3 or SD3.5 checkpoint or one of its parts is needed (joint_blocks.*, "
    "first_stage_model.*, "
    "text_encoders.*, or a VAE, CLIP or T5 alone)";

[[noreturn]] void refuse(const fs::path& path, const std::string& value,
                         std::string_view requirement, std::string_view cause) {
  throw Error(Exit::kBadData,
              fmt::format("[model] {}: {} -> {} -> {}", path.string(), value, requirement, cause));
}

std::string some_names(const Tensors& tensors) {
  std::vector<std::string> names;
  for (const auto& tensor : tensors) names.push_back(tensor.name.substr(0, 80));
  std::sort(names.begin(), names.end());
  const size_t shown = std::min<size_t>(names.size(), 3);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + shown, ", "),
                     shown < names.size() ? ", ..." : "");
}

bool has_sign(const Tensors& tensors, const Prefix& p) {
  const auto begin = std::string(p.prefix) + std::string(p.sign);
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const auto& tensor) { return tensor.name.starts_with(begin); });
}

// Takes the tensors that fit out of the list.
template <typename Fits>
Tensors take_if(Tensors& tensors, const Fits& fits) {
  const auto middle = std::stable_partition(tensors.begin(), tensors.end(),
                                            [&](const auto& tensor) { return !fits(tensor.name); });
  Tensors out(std::make_move_iterator(middle), std::make_move_iterator(tensors.end()));
  tensors.erase(middle, tensors.end());
  return out;
}

// Copies that training keeps, and numbers that only training uses.
bool is_of_no_use(const std::string& name) {
  return name.starts_with("model_ema.") || name.ends_with("logit_scale") ||
         name.ends_with("position_ids");
}

// The scales give the numbers their meaning: without them they look fine and are wrong.
void refuse_scaled_float8(const fs::path& path, const Tensors& tensors) {
  for (const auto& tensor : tensors) {
    if (!tensor.name.ends_with("scaled_fp8") && !tensor.name.ends_with(".scale_weight")) continue;
    refuse(path, fmt::format("{} marks scaled float8 weights", tensor.name),
           "plain ones are needed",
           "use the unscaled fp8 or fp16 file, such as t5xxl_fp8_e4m3fn.safetensors");
  }
}

// CLIP-L and bigG go by the same names: the width tells the published ones apart; another CLIP is
// what it is wanted as, or bigG if it has the projection that CLIP-L's files lack.
PartKind which_clip(const Tensors& tensors, std::optional<PartKind> wanted) {
  int64_t width = 0;
  bool projects = false;
  for (const auto& tensor : tensors) {
    projects |= tensor.name == "text_projection.weight";
    if (tensor.name.ends_with("token_embedding.weight") && tensor.shape.size() == 2)
      width = tensor.shape[1];
  }
  if (width == kClipLWidth) return PartKind::kClipL;
  if (width == kBigGWidth) return PartKind::kClipG;
  if (wanted == PartKind::kClipL || wanted == PartKind::kClipG) return *wanted;
  return projects ? PartKind::kClipG : PartKind::kClipL;
}

FilePart make_part(const fs::path& path, PartKind kind, const Tensors& tensors,
                   std::string_view prefix) {
  KeyMap names(path.string(), std::string(described(kind)), tensors, std::string(prefix));
  const auto map = [&] {
    switch (kind) {
      case PartKind::kTransformer:
        return map_sd3_transformer(std::move(names));
      case PartKind::kVae:
        return map_vae(std::move(names));
      case PartKind::kClipL:
        return map_clip_l(std::move(names));
      case PartKind::kClipG:
        return map_clip_g(std::move(names));
      case PartKind::kT5:
        break;
    }
    return map_t5(std::move(names));
  };
  auto made = map();
  return {kind, std::move(made.config), std::make_shared<const TensorMap>(std::move(made.tensors))};
}

void add_part(SingleFile& file, FilePart part) {
  if (file.find(part.kind) != nullptr)
    refuse(file.path, fmt::format("{} twice, under two prefixes", described(part.kind)),
           "each part stands once", "two checkpoints in one file");
  file.parts.push_back(std::move(part));
}

// What is left when the parts with prefixes are out: at most one part, which owns all of it.
void add_bare_part(SingleFile& file, const Tensors& tensors, std::optional<PartKind> wanted) {
  std::vector<const Prefix*> kinds;
  for (const auto& bare : kBare)
    if (has_sign(tensors, bare)) kinds.push_back(&bare);
  if (kinds.size() > 1)
    refuse(file.path,
           fmt::format("{} and {} without prefixes", described(kinds[0]->kind),
                       described(kinds[1]->kind)),
           "one part stands alone, or each under its prefix", "two files put together");
  if (kinds.empty()) {
    if (!file.parts.empty())
      refuse(file.path,
             fmt::format("{} tensors beside {}: {}", tensors.size(), file.contents(),
                         some_names(tensors)),
             "each belongs to a part", "a checkpoint of another kind, or one that was added to");
    refuse(file.path,
           fmt::format("{} tensors of no known model: {}", tensors.size(), some_names(tensors)),
           kNeeded, "another model's file");
  }
  auto kind = kinds[0]->kind;
  if (kind == PartKind::kClipL) kind = which_clip(tensors, wanted);
  add_part(file, make_part(file.path, kind, tensors, ""));
}

}  // namespace

std::string_view described(PartKind kind) {
  switch (kind) {
    case PartKind::kTransformer:
      return "an SD3 transformer";
    case PartKind::kVae:
      return "a VAE";
    case PartKind::kClipL:
      return "CLIP-L";
    case PartKind::kClipG:
      return "CLIP-bigG";
    case PartKind::kT5:
      break;
  }
  return "a T5 encoder";
}

std::string_view class_name(PartKind kind) {
  if (kind == PartKind::kTransformer) return "SD3Transformer2DModel";
  if (kind == PartKind::kVae) return "AutoencoderKL";
  return kind == PartKind::kT5 ? "T5EncoderModel" : "CLIPTextModelWithProjection";
}

const FilePart* SingleFile::find(PartKind kind) const {
  const auto found =
      std::find_if(parts.begin(), parts.end(), [&](const auto& part) { return part.kind == kind; });
  return found == parts.end() ? nullptr : &*found;
}

std::string SingleFile::contents() const {
  std::vector<std::string_view> names;
  for (const auto& part : parts) names.push_back(described(part.kind));
  return fmt::format("{}", fmt::join(names, " and "));
}

SingleFile read_single_file(const fs::path& path, std::optional<PartKind> wanted) {
  auto tensors = read_safetensors_header(ReadOnlyFile(path)).tensors;
  SingleFile file{.path = path, .parts = {}};
  if (const auto other = other_model(tensors))
    refuse(path, fmt::format("{} (it has {})", other->name, other->sign), kNeeded, other->remedy);
  refuse_scaled_float8(path, tensors);
  for (const auto& p : kPrefixes) {
    if (!has_sign(tensors, p)) continue;
    const auto mine =
        take_if(tensors, [&](const auto& name) { return name.starts_with(p.prefix); });
    add_part(file, make_part(path, p.kind, mine, p.prefix));
  }
  take_if(tensors, is_of_no_use);
  if (!tensors.empty() || file.parts.empty()) add_bare_part(file, tensors, wanted);
  return file;
}

}  // namespace trireme
