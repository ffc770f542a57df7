// Checkpoints that bitsandbytes has quantized: what config.json says of them, and which of their
// tensors are codes and which belong to codes. Other ways to quantize are refused by name, as their
// numbers would look fine and be wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "parallel/quantization.h"
#include "src/weights/component_config.h"
#include "src/weights/safetensors_file.h"

namespace trireme {

// From "quantization_config"; nothing where there is none. Error (kBadData) names what is not
// known.
std::optional<Quantization> stored_quantization(const ComponentConfig& config);

// What a matrix' tensor "*.quant_state.bitsandbytes__nf4" says, which is JSON.
StoredCodes read_nf4_state(const SafetensorsFile& file, const std::string& state);

// Endings of a matrix' name, which ends in "weight".
inline constexpr std::string_view kInt8Scales = "SCB";  // in the place of "weight"
inline constexpr std::string_view kInt8Format = "weight_format";
inline constexpr std::string_view kNf4State = ".quant_state.bitsandbytes__nf4";
inline constexpr std::string_view kNf4Scales = ".absmax";

// "layer.weight" -> "layer.SCB"
std::string beside_weight(const std::string& weight, std::string_view name);

}  // namespace trireme
