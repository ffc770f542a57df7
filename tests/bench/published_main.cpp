// published_times POINTS.json: seconds that the planner predicts for published points, with the
// clusters of each folder that a line of stdin names. For published_times.py and fit_published.py.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "src/config/read_cluster.h"
#include "tests/bench/published_seconds.h"

using namespace trireme;

namespace {

using Clusters = std::map<std::string, Cluster>;  // by their own names

Clusters read_clusters(const std::string& folder) {
  Clusters clusters;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    auto cluster = read_cluster(entry.path().string());
    clusters.emplace(cluster.name, std::move(cluster));
  }
  return clusters;
}

// "8xA100" is 8x, a and 100.
std::set<std::string> words_of(std::string name) {
  for (auto& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  static const std::regex kWord("[0-9]+x?|[a-z]+");
  return {std::sregex_token_iterator(name.begin(), name.end(), kWord), {}};
}

// The cluster of that name, or the one with most words in common.
const Cluster& nearest(const Clusters& clusters, const std::string& name) {
  const auto found = clusters.find(name);
  if (found != clusters.end()) return found->second;
  const auto wanted = words_of(name);
  const auto in_common = [&](const auto& entry) {
    const auto words = words_of(entry.first);
    const auto both = std::count_if(words.begin(), words.end(),
                                    [&](const std::string& word) { return wanted.contains(word); });
    return 2 * both - static_cast<int64_t>(words.size());
  };
  return std::max_element(clusters.begin(), clusters.end(),
                          [&](const auto& a, const auto& b) { return in_common(a) < in_common(b); })
      ->second;
}

// PixArt's times on L40s are of PipeFusion's own first program, the others of xDiT: they show no
// step in full before the patches, and half the time to launch.
bool is_first_program(const std::string& model, const std::string& machine) {
  return model.starts_with("PixArt") && machine.find("L40") != std::string::npos;
}

nlohmann::json predict(const nlohmann::json& point, const Clusters& clusters) {
  const std::string name = point.at("model"), machine = point.at("machine");
  const auto model = published_model(name);
  if (!model) return {{"error", fmt::format("unknown model {}", name)}};
  const auto& cluster = nearest(clusters, machine);
  PublishedCase c{.model = *model,
                  .method = read_method(point.at("method")),
                  .pixels = point.at("px"),
                  .steps = point.at("steps"),
                  .warm_up = is_first_program(name, machine) ? 0 : 1,
                  .launches = is_first_program(name, machine) ? 0.5 : 1};
  const int gpus = point.at("gpus");
  std::string note;
  if (cluster.name != machine) note = fmt::format("taken for {}", cluster.name);
  if (c.method.ranks() != gpus)
    note += fmt::format("{}the method names {} GPUs of {}", note.empty() ? "" : "; ",
                        c.method.ranks(), gpus);
  if (c.method.ranks() > cluster.ranks()) return {{"error", "more ranks than the machine has"}};
  return {{"seconds", seconds_of(c, cluster)}, {"note", note}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: published_times POINTS.json < folders of clusters, a line each\n";
    return 64;
  }
  try {
    const auto points = nlohmann::json::parse(std::ifstream(argv[1])).at("points");
    for (std::string folder; std::getline(std::cin, folder);) {
      const auto clusters = read_clusters(folder);
      auto predicted = nlohmann::json::array();
      for (const auto& point : points) predicted.push_back(predict(point, clusters));
      std::cout << predicted.dump() << std::endl;
    }
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 65;
  }
}
