// Reads spiece.model, sentencepiece's model file: pieces, scores, and the normalisation table.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/tokenizers/folder.h"

namespace trireme {

struct SentencePieceFile {
  UnigramFiles unigram;
  // Control and user-defined pieces: transformers cuts them out of a text.
  std::vector<AddedToken> added;
};

// Throws Error(kBadData) if sentencepiece cannot read the file.
SentencePieceFile read_sentencepiece(const std::filesystem::path& file);

}  // namespace trireme
