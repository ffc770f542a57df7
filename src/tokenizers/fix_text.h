// ftfy.fix_text without its repair of wrongly decoded text: HTML references, C1 controls, Latin
// ligatures, full-width forms, curly quotes, line breaks, terminal escapes, control characters,
// NFC. Internal to this folder: the header speaks ICU.
#pragma once

#include <unicode/unistr.h>

#include "src/tokenizers/html_text.h"

namespace trireme {

icu::UnicodeString fix_text(const HtmlText& html, const icu::UnicodeString& text);

}  // namespace trireme
