// The drawings of report.html: inline SVG that stretches, words beside it in HTML. Nothing to draw
// is an empty text.
#pragma once

#include <string>
#include <vector>

#include "src/report/html.h"

namespace trireme {

std::string rate_chart(const Timeline& timeline);
std::string lanes_chart(const Timeline& timeline);
std::string memory_chart(const std::vector<PageRank>& ranks);

}  // namespace trireme
