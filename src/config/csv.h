// Comma-separated values after RFC 4180: quotes around a field, doubled inside; lines end in CRLF
// or LF; a quoted field may hold commas and lines.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace trireme {

struct CsvField {
  std::string text;
  size_t offset = 0;  // of its first byte in the whole text
};

struct CsvRecord {
  std::vector<CsvField> fields;
  size_t end = 0;       // where the next record begins
  std::string problem;  // a quote out of place; the record ends with its line then
  bool blank = false;   // an empty line, which is no record
};

// The record that begins at `start`, which must be before the text's end.
CsvRecord read_csv_record(std::string_view text, size_t start);

}  // namespace trireme
