#include <array>

#include "src/config/location.h"
#include "src/config/read_sections.h"

namespace trireme {
namespace {

// Reads quantize and double_quant, and refuses them where there is nothing of that kind.
void read_quantize(Fields& in, std::string_view name, ComponentChoice& out) {
  out.quantize = in.word<Quantize>(
      "quantize", Quantize::kNone,
      {{"int8", Quantize::kInt8}, {"nf4", Quantize::kNf4}, {"fp8", Quantize::kFp8}});
  out.double_quant = in.yes_or_no("double_quant", true);
  const bool linear = name == "transformer" || name.starts_with("text_encoder");
  if (out.quantize != Quantize::kNone && !linear)
    in.refuse("quantize", name == "vae" ? "only linear layers are quantized, and the VAE has "
                                          "convolutions -> leave it out, or quantize the text "
                                          "encoders or the transformer"
                                        : "it has no weights -> leave it out");
  if (in.find("double_quant") && out.quantize != Quantize::kNf4 && !in.broken("quantize"))
    in.refuse("double_quant", "goes with quantize: nf4 -> leave it out");
}

ComponentChoice read_component(const Node& node, const std::string& place,
                               const std::filesystem::path& folder, std::string_view name,
                               std::vector<Problem>& problems) {
  ComponentChoice out;
  out.absent = node.kind == Node::Kind::kNull;
  bool map = !out.absent && is_map(node, place, "{path: some/folder}, or null", problems);
  if (!map) return out;
  Fields in(node, place, problems);
  out.path = read_location(in, "path", folder, Names::kPathOrHub);
  read_quantize(in, name, out);
  if (name == "vae") out.tiling = in.yes_or_no("tiling", false);
  if (name == "transformer")
    out.extend_positions =
        in.word<bool>("position_table", false, {{"fixed", false}, {"extend", true}});
  in.finish();
  return out;
}

std::map<std::string, ComponentChoice> read_components(Fields& model,
                                                       const std::filesystem::path& folder) {
  constexpr std::array<std::string_view, 9> kNames = {
      "transformer", "vae",         "text_encoder", "text_encoder_2", "text_encoder_3",
      "tokenizer",   "tokenizer_2", "tokenizer_3",  "scheduler"};
  std::map<std::string, ComponentChoice> out;
  const Node* node = model.find("components");
  if (!node) return out;
  std::string place = model.place_of("components");
  if (!is_map(*node, place, "{text_encoder_3: null}", model.problems())) return out;
  Fields in(*node, place, model.problems());
  for (std::string_view name : kNames) {
    in.find(name);
    const Node* component = node->find(name);
    if (!component || component->kind == Node::Kind::kBroken) continue;
    out[std::string(name)] =
        read_component(*component, in.place_of(name), folder, name, model.problems());
  }
  in.finish();
  return out;
}

}  // namespace

ModelChoice read_model(Fields& job, const std::filesystem::path& folder) {
  ModelChoice out;
  job.require("model", "model: {path: a folder, a .safetensors file or org/name}");
  auto in = job.section("model", "{path: org/name}");
  if (!in) return out;
  in->require("path", "path: a folder, a .safetensors file or org/name");
  out.path = read_location(*in, "path", folder, Names::kPathOrHub).value_or(Location{});
  out.variant = in->text("variant", "");
  out.dtype = in->word<Dtype>("dtype", Dtype::kAuto,
                              {{"auto", Dtype::kAuto},
                               {"float32", Dtype::kFloat32},
                               {"bfloat16", Dtype::kBFloat16},
                               {"float16", Dtype::kFloat16}});
  out.components = read_components(*in, folder);
  in->finish(keys_of_sections());
  return out;
}

}  // namespace trireme
