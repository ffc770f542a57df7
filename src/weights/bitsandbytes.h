// Checkpoints that bitsandbytes has quantized: what config.json says of them, and which of their
// tensors are codes and which belong to codes. Other ways to quantize are refused by name, as their
// numbers would look fine and be wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "parallel/quantization.h"
#include "src/weights/component_config.h"

namespace trireme {

// From "quantization_config"; nothing where there is none. Error (kBadData) names what is not
// known.
std::optional<Quantization> stored_quantization(const ComponentConfig& config);

// The JSON text that stands in a tensor "*.quant_state.bitsandbytes__nf4"; `place` names it.
StoredCodes parse_nf4_state(std::string_view text, const std::string& place);

// Endings of a matrix' name, which ends in "weight".
inline constexpr std::string_view kInt8Scales = "SCB";  // in the place of "weight"
inline constexpr std::string_view kNf4State = ".quant_state.bitsandbytes__nf4";
inline constexpr std::string_view kNf4Scales = ".absmax";

// "layer.weight" -> "layer.SCB"
std::string beside_weight(const std::string& weight, std::string_view name);

}  // namespace trireme
