// Texts between ranks: what is told once a run and is no tensor.
#pragma once

#include <string>
#include <vector>

#include "parallel/group.h"
#include "src/report/report.h"

namespace trireme {

// Collective: the text of every rank, in their order, on all of them.
std::vector<std::string> gather_texts(const Group& world, const std::string& mine);
// Collective: the root's text.
std::string broadcast_text(const Group& world, const std::string& text, int root);

// Collective: the report of every rank, in their order, on all of them.
std::vector<RankReport> gather_reports(const Group& world, const RankReport& mine);

}  // namespace trireme
