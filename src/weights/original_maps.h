// The parts of SD3's original files: for each, its shape as a config.json would give it, told from
// the tensors' shapes alone, and where each tensor of the model stands in the file. Error
// (kBadData) if the tensors are not such a part, whole and nothing else.
#pragma once

#include "src/weights/component_config.h"
#include "src/weights/key_map.h"

namespace trireme {

struct MappedPart {
  ComponentConfig config;
  TensorMap tensors;
};

// MMDiT of SD3 and SD3.5: joint_blocks.i.x_block ...
MappedPart map_sd3_transformer(KeyMap m);
// Names of latent diffusion (decoder.up.3.block.0) or of diffusers, its older ones too. With or
// without the encoder, which nothing here reads.
MappedPart map_vae(KeyMap m);
// Original files leave the projection of CLIP-L out, or hold one that is not to be used: it is the
// identity.
MappedPart map_clip_l(KeyMap m);
// Names of transformers or of OpenCLIP.
MappedPart map_clip_g(KeyMap m);
MappedPart map_t5(KeyMap m);

}  // namespace trireme
