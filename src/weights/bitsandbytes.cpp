#include "src/weights/bitsandbytes.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "parallel/error.h"
#include "parallel/layers/nf4_codes.h"

namespace trireme {
namespace {

constexpr std::string_view kSection = "quantization_config";
constexpr const char* kOthers =
    "it was quantized in a way that this program does not know: take "
    "the plain checkpoint, and write quantize: into the job";

template <typename T>
void expect(const ComponentConfig& config, const char* key, const T& value, const char* needed) {
  if (config.get_or<T>(key, value) != value) config.refuse(key, needed, kOthers);
}

}  // namespace

std::optional<Quantization> stored_quantization(const ComponentConfig& config) {
  const auto section = config.find<ComponentConfig>(std::string(kSection));
  if (!section) return std::nullopt;
  const bool int8 = section->get_or<bool>("load_in_8bit", false);
  const bool bits4 = section->get_or<bool>("load_in_4bit", false);
  // Before it was named, bitsandbytes was the only one.
  if (section->get_or<std::string>("quant_method", int8 || bits4 ? "bitsandbytes" : "unnamed") !=
      "bitsandbytes")
    section->refuse("quant_method", "bitsandbytes is needed", kOthers);
  if (int8 == bits4)
    section->refuse("load_in_8bit", "either it or load_in_4bit must be true", kOthers);
  if (int8)
    return Quantization{.kind = Quantization::Kind::kInt8,
                        .activation_threshold = section->get_or<double>("llm_int8_threshold", 6)};
  if (section->get_or<std::string>("bnb_4bit_quant_type", "fp4") != "nf4")
    section->refuse("bnb_4bit_quant_type", "nf4 is needed", kOthers);
  expect<std::string>(*section, "bnb_4bit_quant_storage", "uint8", "uint8 is needed");
  return Quantization{.kind = Quantization::Kind::kNf4,
                      .double_quant = section->get_or<bool>("bnb_4bit_use_double_quant", false)};
}

StoredCodes read_nf4_state(const SafetensorsFile& file, const std::string& state_name) {
  const auto bytes = file.read(state_name).to(at::kByte).contiguous();
  const std::string_view text(static_cast<const char*>(bytes.const_data_ptr()),
                              static_cast<size_t>(bytes.numel()));
  const auto place = file.place() + ": " + state_name;
  const ComponentConfig state(parse_python_json(text, place), place);
  const auto expect_block = [&](const char* key, int64_t block) {
    if (state.get<int64_t>(key) != block)
      state.refuse(key, fmt::format("{} is needed", block), kOthers);
  };
  expect_block("blocksize", kNf4Block);
  StoredCodes codes{.kind = Quantization::Kind::kNf4,
                    .shape = state.get<std::vector<int64_t>>("shape"),
                    .double_quant = state.has("nested_offset")};
  if (codes.double_quant) {
    expect_block("nested_blocksize", kScaleBlock);
    codes.nested_offset = state.get<double>("nested_offset");
  }
  return codes;
}

std::string beside_weight(const std::string& weight, std::string_view name) {
  return weight.substr(0, weight.rfind('.') + 1) + std::string(name);
}

}  // namespace trireme
