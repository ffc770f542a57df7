#include "src/config/csv.h"

namespace trireme {
namespace {

// A field and where it ends: at a comma, a line's end or the end of the text.
struct Piece {
  CsvField field;
  size_t end = 0;
  std::string problem;
};

bool line_ends(std::string_view text, size_t at) {
  return at >= text.size() || text[at] == '\n' || text.substr(at, 2) == "\r\n";
}

Piece quoted_field(std::string_view text, size_t start) {
  Piece out{{"", start}, start + 1, ""};
  for (;;) {
    size_t quote = text.find('"', out.end);
    if (quote == std::string_view::npos) {
      out.problem = "a quote that is not closed -> a closing quote";
      out.end = text.size();
      return out;
    }
    out.field.text += text.substr(out.end, quote - out.end);
    out.end = quote + 1;
    if (out.end >= text.size() || text[out.end] != '"') break;
    out.field.text += '"';
    ++out.end;
  }
  if (!line_ends(text, out.end) && text[out.end] != ',') {
    out.problem =
        "text after a closing quote -> a comma or the line's end -> a quote inside a field "
        "is doubled";
  }
  return out;
}

Piece plain_field(std::string_view text, size_t start) {
  size_t end = start;
  while (!line_ends(text, end) && text[end] != ',') ++end;
  Piece out{{std::string(text.substr(start, end - start)), start}, end, ""};
  if (out.field.text.find('"') != std::string::npos) {
    out.problem = "a quote inside a field -> the whole field in quotes, with this quote doubled";
  }
  return out;
}

size_t next_line(std::string_view text, size_t at) {
  size_t end = text.find('\n', at);
  return end == std::string_view::npos ? text.size() : end + 1;
}

}  // namespace

CsvRecord read_csv_record(std::string_view text, size_t start) {
  CsvRecord record;
  record.blank = line_ends(text, start);
  size_t at = start;
  for (;;) {
    bool quoted = at < text.size() && text[at] == '"';
    Piece piece = quoted ? quoted_field(text, at) : plain_field(text, at);
    record.fields.push_back(std::move(piece.field));
    if (!piece.problem.empty()) record.problem = piece.problem;
    bool more = record.problem.empty() && !line_ends(text, piece.end);
    at = piece.end + 1;
    if (more) continue;
    record.end = next_line(text, piece.end);
    return record;
  }
}

}  // namespace trireme
