// T5Tokenizer: the model's normalisation table, words at white space, "▁" before each word, unigram
// segmentation, `</s>` at the end. Serves spiece.model and tokenizer.json alike; literal special
// tokens (</s>, <pad>, <extra_id_0>) in a text become their ids, as in transformers 5.
#pragma once

#include <string_view>

#include "src/tokenizers/added_tokens.h"
#include "src/tokenizers/folder.h"
#include "src/tokenizers/tokenizer.h"
#include "src/tokenizers/unigram.h"

namespace trireme {

class T5Tokenizer : public Tokenizer {
 public:
  explicit T5Tokenizer(const TokenizerFolder& files);

 protected:
  std::vector<int64_t> text_ids(std::string_view text) const override;

 private:
  T5Tokenizer(const TokenizerFolder& files, Unigram unigram);
  T5Tokenizer(const TokenizerFolder& files, Unigram unigram, const RegisteredTokens& registered);

  Unigram unigram_;
  AddedTokens added_;
};

}  // namespace trireme
