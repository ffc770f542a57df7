#include "parallel/plan/collapse.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace trireme {
namespace {

// Of ranks with these roles, what each does between two steps apart from its place.
std::vector<bool> signature(const Roles& roles, const std::vector<int>& ranks) {
  std::vector<bool> flags;
  for (const int rank : ranks) {
    flags.push_back(roles[rank].encodes);
    flags.push_back(roles[rank].decodes);
  }
  return flags;
}

// Ranks of all stages that stand at the same place.
std::vector<std::vector<int>> columns_of(const Roles& roles) {
  std::map<int, std::vector<std::pair<int, int>>> by_place;  // stage, rank
  for (int rank = 0; rank < static_cast<int>(roles.size()); ++rank)
    if (roles[rank].stage >= 0) by_place[roles[rank].place].push_back({roles[rank].stage, rank});
  std::vector<std::vector<int>> columns;
  for (auto& [place, column] : by_place) {
    std::sort(column.begin(), column.end());
    columns.emplace_back();
    for (const auto& [stage, rank] : column) columns.back().push_back(rank);
  }
  return columns;
}

// The first of each kind; the ranks of others are left out. A first rank has at least as much to
// do as those that stand for it.
std::vector<int> representatives(const Roles& roles) {
  std::set<int> chosen;
  std::set<std::vector<bool>> seen;
  for (const auto& column : columns_of(roles))
    if (seen.insert(signature(roles, column)).second) chosen.insert(column.begin(), column.end());
  std::set<std::pair<bool, bool>> others;
  for (int rank = 0; rank < static_cast<int>(roles.size()); ++rank) {
    const auto& role = roles[rank];
    if (role.stage < 0 && (role.encodes || role.decodes) &&
        others.insert({role.encodes, role.decodes}).second)
      chosen.insert(rank);
  }
  return {chosen.begin(), chosen.end()};
}

// Places are numbered anew, as there are fewer of them.
void renumber(Roles& roles) {
  std::map<int, int> places;
  for (const auto& role : roles)
    if (role.stage >= 0) places.emplace(role.place, 0);
  int next = 0;
  for (auto& [old, place] : places) place = next++;
  for (auto& role : roles)
    if (role.stage >= 0) role.place = places.at(role.place);
}

}  // namespace

// The roles of a job that goes only a part of the way (as src/pipelines/pipeline.cpp has them).
Roles roles_for(const Layout& layout, const Workload& work) {
  auto roles = roles_of(layout);
  const auto last_word = ranks_of_stage(roles, stage_count(roles) - 1).front();
  for (int rank = 0; rank < layout.replica_size; ++rank) {
    if (work.encoders.empty()) roles[rank].encodes = false;
    if (!work.transformer) roles[rank].stage = -1;
    if (!work.vae) roles[rank].decodes = work.transformer && rank == last_word;
  }
  return roles;
}

Collapsed collapsed(const Layout& layout, const Workload& work) {
  const auto roles = roles_for(layout, work);
  Collapsed replica{.roles = {}, .ranks = representatives(roles)};
  for (const int rank : replica.ranks) replica.roles.push_back(roles[rank]);
  renumber(replica.roles);
  return replica;
}

// A band of a picture in the middle has neighbours on both sides.
std::vector<int> distinct_ranks(const Layout& layout, const Workload& work) {
  const auto firsts = representatives(roles_for(layout, work));
  std::set<int> ranks(firsts.begin(), firsts.end());
  if (layout.vae.size() > 2) ranks.insert(layout.vae[1]);
  return {ranks.begin(), ranks.end()};
}

std::vector<int> distinct_replicas(const Layout& layout, const Cluster& cluster) {
  std::vector<int> firsts;
  std::set<std::vector<std::string>> seen;
  for (int replica = 0; replica < layout.replicas; ++replica) {
    const int first = replica * layout.replica_size;
    std::vector<std::string> kind;
    for (int rank = first; rank < first + layout.replica_size; ++rank) {
      const auto& device = cluster.device(rank);
      kind.push_back(device.name + " " + std::to_string(device.memory_bytes) + " " +
                     std::to_string(cluster.node_of(rank) - cluster.node_of(first)));
    }
    if (seen.insert(kind).second) firsts.push_back(first);
  }
  return firsts;
}

}  // namespace trireme
