// Columns of text that line up, as `trireme inspect` and `plan` print them. Widths are those of a
// terminal: an East Asian character takes two columns, a combining one none. No rows, no text.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace trireme {

using TableRow = std::vector<std::string>;

// The first row is the heading. Columns whose cells are all numbers (or empty, or "-"), with or
// without a unit, stand to the right. Rows may be shorter than the heading.
std::string table(const std::vector<TableRow>& rows);

std::size_t display_width(std::string_view utf8);
std::string fitted(std::string_view utf8, std::size_t columns);  // cut at a character's edge

}  // namespace trireme
