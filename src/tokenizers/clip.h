// ClipTokenizer: NFC, white space to one space, lower case, CLIP's word pattern, byte-level BPE,
// between <|startoftext|> and <|endoftext|>. Both CLIP tokenizers of SD3 are this class; they
// differ in their pad token, and where that is "!" each "!" of a text becomes padding's id.
#pragma once

#include <string>

#include "src/tokenizers/added_tokens.h"
#include "src/tokenizers/bpe.h"
#include "src/tokenizers/folder.h"
#include "src/tokenizers/tokenizer.h"
#include "src/tokenizers/unicode.h"

namespace trireme {

class ClipTokenizer : public Tokenizer {
 public:
  explicit ClipTokenizer(const TokenizerFolder& files);

 protected:
  std::vector<int64_t> text_ids(std::string_view text) const override;

 private:
  ClipTokenizer(const TokenizerFolder& files, const RegisteredTokens& registered);

  AddedTokens added_;
  Bpe bpe_;
};

// The two steps before BPE, for tests and the curious.
std::string clip_normalize(const Nfc& nfc, std::string_view text);
std::vector<std::string_view> clip_words(std::string_view normalized);

}  // namespace trireme
