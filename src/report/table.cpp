#include "src/report/table.h"

#include <utf8proc.h>

#include <algorithm>
#include <cctype>

namespace trireme {
namespace {

constexpr std::string_view kGap = "  ";

struct Character {
  std::size_t bytes;
  std::size_t columns;
};

// A byte that is no UTF-8 takes one column, as terminals show it.
Character first_character(std::string_view text) {
  utf8proc_int32_t code = 0;
  const auto bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                      static_cast<utf8proc_ssize_t>(text.size()), &code);
  if (bytes < 1) return {1, 1};
  return {static_cast<std::size_t>(bytes),
          static_cast<std::size_t>(std::max(utf8proc_charwidth(code), 0))};
}

bool is_number(const std::string& cell) {
  return cell.empty() || cell == "-" || std::isdigit(static_cast<unsigned char>(cell.front()));
}

struct Column {
  std::size_t width = 0;
  bool right = true;
};

std::vector<Column> columns_of(const std::vector<TableRow>& rows) {
  std::vector<Column> columns;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    columns.resize(std::max(columns.size(), rows[r].size()));
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      columns[c].width = std::max(columns[c].width, display_width(rows[r][c]));
      if (r > 0 && !is_number(rows[r][c])) columns[c].right = false;
    }
  }
  if (rows.size() < 2) {
    for (Column& column : columns) column.right = false;
  }
  return columns;
}

}  // namespace

std::string table(const std::vector<TableRow>& rows) {
  const std::vector<Column> columns = columns_of(rows);
  std::string text;
  for (const TableRow& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string blanks(columns[c].width - display_width(row[c]), ' ');
      if (c > 0) line += kGap;
      line += columns[c].right ? blanks + row[c] : row[c] + blanks;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::size_t display_width(std::string_view utf8) {
  std::size_t columns = 0;
  while (!utf8.empty()) {
    const Character character = first_character(utf8);
    columns += character.columns;
    utf8.remove_prefix(character.bytes);
  }
  return columns;
}

std::string fitted(std::string_view utf8, std::size_t columns) {
  std::size_t bytes = 0;
  std::size_t used = 0;
  while (bytes < utf8.size()) {
    const Character character = first_character(utf8.substr(bytes));
    if (used + character.columns > columns) break;
    bytes += character.bytes;
    used += character.columns;
  }
  return std::string(utf8.substr(0, bytes));
}

}  // namespace trireme
