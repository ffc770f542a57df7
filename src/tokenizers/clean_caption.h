// What PixArt does with a prompt before tokenising it: lower().strip(), or with clean_caption the
// clean-up of scraped captions (URLs, HTML, CJK, file names, sizes, shipping garbage ...), run
// twice as diffusers does. Everything of diffusers' clean-up but ftfy's repair of wrongly decoded
// text. A cleaner is immutable and may be shared by threads; making one compiles its patterns.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace trireme {

// Python's text.lower().strip(). Throws Error(kBadData) if `text` is not UTF-8, as does the other.
std::string lower_strip(std::string_view text);

class CaptionCleaner {
 public:
  CaptionCleaner();
  std::string operator()(std::string_view caption) const;

 private:
  struct Patterns;
  std::shared_ptr<const Patterns> patterns_;
};

}  // namespace trireme
