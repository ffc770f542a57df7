// TextFixer: ftfy.fix_text without its repair of wrongly decoded text: HTML references, C1
// controls, Latin ligatures, full-width forms, curly quotes, line breaks, terminal escapes, control
// characters, NFC. Internal to this folder: the header speaks ICU.
#pragma once

#include <unicode/unistr.h>

#include "src/tokenizers/html_references.h"
#include "src/tokenizers/python_text.h"

namespace trireme {

class TextFixer {
 public:
  explicit TextFixer(const HtmlReferences& references) : references_(references) {}

  icu::UnicodeString operator()(const icu::UnicodeString& text) const;

 private:
  icu::UnicodeString fix_once(bool unescape, const icu::UnicodeString& text) const;

  const HtmlReferences& references_;  // outlives this
  PythonRegex terminal_escape_{"\x1b\\[((?:\\d|;)*)([a-zA-Z])"};
};

}  // namespace trireme
